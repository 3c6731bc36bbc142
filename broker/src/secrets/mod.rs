//! The values of secrets: opened for a use, stored, erased, and by when each must have changed.
//!
//! A use and a change are recorded before they happen; what opens a value takes the proof of that. A value
//! is stored in the vault or where policies say: who asks need not know. One change of a secret goes on at
//! a time ([`SecretLocks`]): its value, a rotation, a move.
//!
//! Not here: who may use a secret, and leases. Erasing a value ends none; `operations` does both.

mod age;
mod change;
mod deadline;
mod error;
mod external;
pub(crate) mod kind;
mod locks;
mod open;
mod refused;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use broker_protocol::names::SecretName;
use broker_sources::Sources;
use broker_vault::Vault;

use self::refused::RefusedValues;
use crate::config::Config;
use crate::journal::Journal;
use crate::policies::Policies;

pub(crate) use self::deadline::{describe_root_key, rekey_hint};
pub(crate) use self::error::UpkeepError;
pub(crate) use self::locks::{SecretLocks, SecretTurn};
pub(crate) use self::open::Upkeep;

pub(crate) struct Secrets {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    config: Arc<Config>,
    refused_values: RefusedValues,
    /// Keeps changes of one secret apart, also while the store is locked.
    pub(crate) locks: SecretLocks,
}

impl Secrets {
    /// Opens what the vault and the sources hold.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (vault, sources): (Arc<Vault>, Arc<Sources>),
        config: Arc<Config>,
    ) -> Self {
        Self {
            journal,
            policies,
            vault,
            sources,
            config,
            refused_values: RefusedValues::default(),
            locks: SecretLocks::default(),
        }
    }

    /// Waits until nothing else changes this secret.
    ///
    /// # Errors
    ///
    /// [`UpkeepError::Locked`] if the store is locked then.
    pub(crate) async fn turn(&self, name: &SecretName) -> Result<SecretTurn, UpkeepError> {
        let turn = self.locks.turn(name).await;
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        Ok(turn)
    }
}
