//! What is known of GitHub: how its tokens, scopes and answers are to be read.

pub mod accepted;
pub mod expiry;
pub mod scopes;
pub mod token_kind;
