//! The promises, tested with the real binaries. One module per promise area.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: a panic is how a test fails"
)]

mod accounts;
mod exec;
mod git;
mod layers;
mod leaks;
