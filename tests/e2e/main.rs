//! What takes a process: sockets, accounts, crashes, leaks, programs of others, the command line. One module
//! per area. What services decide is tested in the test's own process, in `broker/src/tests`.

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
mod dev;
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
mod proxy;
mod proxy_git;
mod rekey;
mod revoke;
mod rotate;
mod scrape;
mod service;
mod setup;
mod setup_git;
mod socket;
mod source;
mod stalled;
mod tunnel;
mod warnings;
