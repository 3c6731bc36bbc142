//! Who is on the other end: honest callers, and every forgery we know of, with real processes.
//!
//! The callers are this very binary, started again to play a part (see `actor`). What needs root,
//! namespaces or control groups that a machine does not give says `SKIPPED` loudly; with
//! `TOKEND_TEST_STRICT=1` it fails instead.

#![expect(
    clippy::unwrap_used,
    reason = "a test kit stops where something is amiss"
)]
#![expect(clippy::print_stdout, reason = "an actor talks to its test")]
#![expect(clippy::print_stderr, reason = "a skipped test must say so")]

mod accounts;
mod actor;
mod inherited;
mod namespaces;
mod programs;
mod units;
