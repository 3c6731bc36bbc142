//! The daemon `tokend`: holds GitHub tokens, and hands each caller a short-lived one for one purpose.
//!
//! ```text
//! socket → caller → request → decision → durable record → unseal → lease → response
//! ```
//!
//! One way, each step consuming the proof that the step before it left behind. Read [`leases::issue`] first.

pub mod accounts;
pub mod api;
pub mod app;
pub mod audit_log;
pub mod budget;
pub mod caller;
pub mod causes;
pub mod checks;
pub mod commands;
pub mod config;
pub mod connection;
pub mod deadline;
pub mod first_seen;
pub mod github;
pub mod give_back;
pub mod harden;
pub mod holder;
pub mod https;
pub mod journal;
pub mod lease;
pub mod lease_record;
pub mod leases;
pub mod life;
pub mod limits;
pub mod metrics;
pub mod minted;
pub mod minting;
pub mod move_state;
pub mod moves;
pub mod notify;
pub mod operations;
pub mod outlet;
pub mod policies;
pub mod policy_files;
pub mod private;
pub mod process_group;
mod readiness;
pub mod rotation_state;
pub mod rotations;
pub mod secret_locks;
pub mod secrets;
pub mod server;
pub mod session_keyring;
pub mod socket;
pub mod source;
pub mod startup;
pub mod status;
pub mod vault;
pub mod warnings;
