//! GitHub, as the broker asks it: one thin client, and what is known of its tokens, scopes and answers.
//!
//! Not here: whose value is used for a call and whether that is recorded. Composition (`check`, `mint`,
//! `rotation`) sees to both.

pub mod accepted;
pub mod app_jwt;
pub mod expiry;
pub mod scopes;
pub mod token_kind;
