//! What the verifier says of damaged logs, and that the one in Python says the same.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests panic to fail"
)]

mod ahead;
mod golden;
mod mutations;
mod python_agrees;
mod sample;
