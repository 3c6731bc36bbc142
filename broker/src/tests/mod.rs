//! The broker in this process: started as `tokend` starts, asked as over its socket, with a clock that a
//! test moves. GitHub is the stand-in.
//!
//! Here is what services decide together. What one decides by itself is tested beside it; what takes a
//! process (sockets, accounts, crashes, leaks, the command line) in `tests/e2e`.

mod api;
mod backup;
mod checks;
mod clock;
mod in_process;
mod installation;
mod leases;
mod limits;
mod moves;
mod one_password;
mod proxy;
mod root_key;
mod rotations;
mod store;
mod warnings;

pub(crate) use in_process::InProcess;
pub(crate) use support::accounts::{ALICE, BOB};
