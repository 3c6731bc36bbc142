//! Where the value of a secret comes from when it does not lie in the vault.
//!
//! The vault itself is not here: [`crate::vault::Vault::unseal`] is that source. Every source takes a
//! [`Recorded`](crate::audit_log::Recorded) use, as the vault does.

pub mod env;

/// Why a source gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The broker was started without it.
    #[error(
        "environment variable {0} was not set when tokend started; set it for tokend and restart"
    )]
    Unset(String),
    /// It is no text.
    #[error("environment variable {0} is not UTF-8; set it anew and restart tokend")]
    NotText(String),
    /// No memory for it.
    #[error("no memory to keep environment variable {0}")]
    NoMemory(String),
}
