//! The values of secrets: opened for a use, stored, erased, and by when each must have changed.
//!
//! A use and a change are recorded before they happen; what opens a value takes the proof of that. A value
//! lies in the vault or where policies say: whoever asks need not know. One change of a secret goes on at
//! a time ([`SecretLocks`]): its value, a rotation, a move.
//!
//! Not here: who may use a secret, and leases. Erasing a value ends none; `operations` does both.

mod age;
mod change;
mod deadline;
mod elsewhere;
mod error;
pub(crate) mod kind;
mod locks;
mod open;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use broker_sources::Sources;
use broker_vault::Vault;

use crate::config::Config;
use crate::journal::Journal;
use crate::policies::Policies;

pub use self::change::Undone;
pub(crate) use self::deadline::{rekey_hint, root_key_in_words};
pub use self::error::UpkeepError;
pub use self::locks::{SecretLocks, SecretTurn};
pub use self::open::Upkeep;

/// See the module.
pub struct Secrets {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    config: Arc<Config>,
    locks: SecretLocks,
}

impl Secrets {
    /// Opens what the vault and the sources hold.
    #[must_use]
    pub fn new(
        journal: Arc<Journal>,
        policies: Arc<Policies>,
        vault: Arc<Vault>,
        sources: Arc<Sources>,
        config: Arc<Config>,
    ) -> Self {
        Self {
            journal,
            policies,
            vault,
            sources,
            config,
            locks: SecretLocks::default(),
        }
    }

    /// Keeps changes of one secret apart.
    pub(crate) const fn locks(&self) -> &SecretLocks {
        &self.locks
    }
}
