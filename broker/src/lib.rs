//! The daemon `tokend`: holds GitHub tokens, and hands each caller a short-lived one for one purpose.
//!
//! ```text
//! socket → caller → request → decision → durable record → unseal → lease → response
//! ```
//!
//! One way, each step consuming the proof that the step before it left behind. Read `leases/issue/mod.rs` first.

pub mod accounts;
pub mod api;
pub mod api_error;
pub mod app;
pub mod caller;
mod checks;
pub mod commands;
pub mod config;
pub mod connection;
mod deadline;
pub mod dev;
mod forwarding;
pub mod give_back;
pub mod harden;
mod journal;
mod lease;
mod lease_record;
mod leases;
pub mod life;
mod limits;
mod looks;
mod metrics;
mod minting;
mod moves;
pub mod notify;
mod operations;
pub mod policies;
pub mod policy_files;
mod proxy;
mod readiness;
mod rotations;
mod secrets;
pub mod server;
pub mod socket;
pub mod startup;
mod status;
#[cfg(test)]
mod tests;
mod warnings;
