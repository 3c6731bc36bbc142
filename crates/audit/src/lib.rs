//! The audit log's format: how a record is written, and how the lines are chained.
//!
//! What the chain proves: whoever knows the hash of one record (the head) and reads a log that
//! leads to it, reads exactly the lines that were there when that hash was made, in that order.
//! What it cannot prove: that the log was not rewritten as a whole, or its tail cut, before anyone
//! outside kept a head.
//!
//! Pure: no I/O, no clock. The broker writes with it, `tokenctl audit verify` reads with it. The one
//! exception is [`files`], which reads logs for the verifier; nothing else here depends on it.

pub mod broken;
pub mod chain;
pub mod files;
pub mod prefix;
pub mod record;
pub mod segment;
pub mod verify;

// The tests of this crate and those beside it share one way to make up a log.
#[cfg(test)]
extern crate self as broker_audit;
