//! The promises, tested with the real binaries. One module per promise area.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is how a test fails"
)]

mod api;
mod cli;
mod clocks;
mod deny;
mod issue;
mod layers;
mod revoke;
