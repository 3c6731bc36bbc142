//! The real `tokenctl` against a broker that answers what each test tells it to.
//!
//! What the broker itself would say is tested with the real one elsewhere; here it is what the
//! command line makes of an answer, and what it sends.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests panic as tests do"
)]

mod answers;
mod audit;
mod doctor;
mod exec;
mod explain;
mod fake_broker;
mod git;
mod import;
mod moving;
mod policy;
mod proxy;
mod rejected;
mod secrets;
mod setup;
mod setup_git;
mod shape;
mod tunnel;
