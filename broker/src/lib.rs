//! The daemon `tokend`: holds GitHub tokens, and hands each caller a short-lived one for one purpose.
//!
//! ```text
//! socket → caller → request → decision → durable record → unseal → lease → response
//! ```
//!
//! One way, each step consuming the proof that the step before it left behind. Read [`leases::issue`] first.

pub mod accounts;
pub mod api;
pub mod api_error;
pub mod app;
pub mod caller;
pub mod checks;
pub mod commands;
pub mod config;
pub mod connection;
pub mod deadline;
pub mod give_back;
pub mod harden;
pub mod holder;
pub mod journal;
pub mod lease;
pub mod lease_record;
pub mod leases;
pub mod life;
pub mod limits;
mod metrics;
pub mod minting;
pub mod moves;
pub mod notify;
pub mod operations;
pub mod policies;
pub mod policy_files;
mod readiness;
pub mod rotations;
pub mod secrets;
pub mod server;
pub mod socket;
pub mod startup;
pub mod status;
#[cfg(test)]
mod tests;
pub mod warnings;
