//! The daemon `tokend`: holds GitHub tokens, and hands each caller a short-lived one for one purpose.
//!
//! ```text
//! socket → caller → request → decision → durable record → unseal → lease → response
//! ```
//!
//! One way, each step consuming the proof that the step before it left behind.

pub mod accounts;
pub mod audit_log;
pub mod caller;
pub mod clock;
pub mod commands;
pub mod config;
pub mod denials;
pub mod harden;
pub mod lease;
pub mod lease_record;
pub mod lease_table;
pub mod locked_memory;
pub mod policy;
pub mod policy_files;
pub mod redact;
pub mod source;
pub mod token;
pub mod usage;
pub mod vault;
