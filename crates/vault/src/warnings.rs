//! Which warnings were given, so that each is given once, across restarts too, and which of them have
//! yet to reach someone.
//!
//! Kept in the database alone: whoever gives warnings reads them once, at start. Works while locked.
//!
//! No MAC covers this: whoever can write the database could silence a warning, or have one repeated.
//!
//! Not here: when a warning falls due, and how it is delivered.

use jiff::Timestamp;

use super::Vault;
use super::error::VaultError;

/// A warning that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWarning {
    /// What it is about, such as `deadline/org-label-sync-token`. The last one of a key is kept.
    pub key: Box<str>,
    /// Another occasion of the same key starts over.
    pub occasion: Box<str>,
    /// The moment that had been reached, to the microsecond.
    pub mark: Timestamp,
    /// Whether the hook has yet to hear of it.
    pub hook: bool,
    /// Whether the webhook has yet to hear of it.
    pub webhook: bool,
    /// The message, as the service that sent it understands it.
    pub body: Box<str>,
}

impl Vault {
    /// All that are kept, by key.
    ///
    /// # Errors
    ///
    /// If they could not be read.
    pub async fn warnings(&self) -> Result<Vec<StoredWarning>, VaultError> {
        self.ask(|work| work.store.warnings()).await
    }

    /// Keeps these, durably, each in place of the one with its key.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn keep_warnings(&self, warnings: Vec<StoredWarning>) -> Result<(), VaultError> {
        self.ask(move |work| work.store.keep_warnings(&warnings))
            .await
    }

    /// Forgets the warnings with these keys.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn forget_warnings(&self, keys: Vec<Box<str>>) -> Result<(), VaultError> {
        self.ask(move |work| work.store.forget_warnings(&keys))
            .await
    }
}
