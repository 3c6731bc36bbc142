//! Who may have what.

pub mod request;

pub use request::{Caller, Decision, Denial, Grant, Request, Terms};
