//! The promises, tested with the real binaries. One module per promise area.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a panic is how a test fails"
)]

mod accounts;
mod audit;
mod backup;
mod book;
mod check;
mod cli;
mod clocks;
mod connections;
mod crash;
mod deny;
mod edges;
mod exec;
mod faults;
mod git;
mod installation;
mod issue;
mod keyring;
mod layers;
mod leaks;
mod limits;
mod moving;
mod onepassword;
mod op;
mod promises;
mod rekey;
mod revoke;
mod rotate;
mod scrape;
mod service;
mod socket;
mod source;
mod stalled;
mod stored;
mod warnings;
