//! Since when values have been known, kept by secret, wherever they are stored.
//!
//! No MAC covers this: whoever can write the database could put a deadline off.

use broker_protocol::names::SecretName;

use super::error::VaultError;
use super::{Vault, known};
use crate::first_seen::FirstSeen;

impl Vault {
    /// What is kept of one secret; locked or not.
    #[must_use]
    pub fn first_seen(&self, name: &SecretName) -> FirstSeen {
        let state = known(self.shared.state.read());
        state.first_seen.get(name).cloned().unwrap_or_default()
    }

    /// Keeps these, durably, each in place of the one before. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written; then what was known before stays known.
    pub async fn keep_first_seen(
        &self,
        these: Vec<(SecretName, FirstSeen)>,
    ) -> Result<(), VaultError> {
        self.ask(move |work| work.keep_first_seen(these)).await
    }
}
