//! What the verifier says of damaged logs, and that the one in Python says the same.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests panic to fail"
)]

mod mutations;
mod python_agrees;
mod sample;
