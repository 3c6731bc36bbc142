//! Who may have what: the policy language, and the decision.
//!
//! ```text
//! files ─PolicySet::parse→ PolicySet ─decide(Request)→ Decision
//! ```
//!
//! Pure: no I/O, no clock, no async. Files come as text, account names through [`Accounts`], the
//! caller as the kernel described it. The same inputs give the same decision, on every machine.
//!
//! The language for authors, and how far each attribute of a caller can be trusted: `docs/reference/policies.md`.
//! Not here: reading files and their modes (`policy_files`), looking accounts up (`policies::described`), printing
//! (`commands::policy`).

#![warn(clippy::wildcard_enum_match_arm)]

mod between;
pub mod cases;
pub mod cut;
mod decide;
mod document;
mod explain;
mod finding;
mod installation;
mod known;
mod parts;
mod purpose;
pub mod reach;
pub mod request;
mod secret;
mod set;
mod sink;
mod who;

#[cfg(test)]
mod tests;

pub use decide::decide;
pub use explain::{Asker, Explanation, RequestLine};
pub use finding::{Finding, Place, PolicyErrors};
pub use purpose::{Budget, NoBudget, PurposePolicy, Rule};
pub use request::{Caller, Decision, Denial, Fallback, Grant, Request, Terms};
pub use secret::{SecretDeclaration, SecretKind};
pub use set::{PolicyFile, PolicySet};
pub use sink::{SinkKind, SinkPlace, SinkSpec};
pub use who::{Accounts, Host, NamesOnly, UNKNOWN_ACCOUNT};
