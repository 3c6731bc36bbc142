//! Maintains secrets, the lock, the policies and what repositories' names mean: what operators do.
//!
//! A change is recorded before it is made, like a use. If the record cannot be written, nothing
//! changes; if the change fails after its record, a second record says so. Lock and unlock take effect
//! first: the one must never wait, and the other hands nothing out, since every lease still needs its
//! own record.

mod backup;
mod lock;
mod lock_and_revoke;
mod policies;
mod rekey;
mod removals;
mod secrets;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_policy::Caller;
use broker_protocol::api::PinnedRepository;
use broker_protocol::names::RepoPattern;
use broker_protocol::paths::Paths;
use broker_sources::Sources;
use broker_vault::Vault;
use broker_vault::root_key::KeyLocations;

use crate::config::Config;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::minting::Minting;
use crate::policies::Policies;
use crate::secrets::{Secrets, UpkeepError};

pub(crate) use self::lock::{NO_KEYRING, root_key_locations};
pub(crate) use self::rekey::RekeyOutcome;

pub(crate) struct Operations {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    minting: Arc<Minting>,
    leases: Arc<Leases>,
    places: Arc<Paths>,
    /// Where the sources of a root key are looked for.
    locations: KeyLocations,
    /// The last reload that was asked for is the one in force.
    reloading: tokio::sync::Mutex<()>,
    /// What is about the whole store, one at a time: an unlock, a backup, what a repository's name
    /// means.
    store_wide: tokio::sync::Mutex<()>,
    /// When the broker last tried to change the root key by itself, in boot time.
    rekey_tried: Mutex<Option<Duration>>,
}

impl Operations {
    /// Works on this store, and on the leases that depend on it.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        (minting, leases): (Arc<Minting>, Arc<Leases>),
        (config, places): (Arc<Config>, Arc<Paths>),
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            minting,
            leases,
            locations: root_key_locations(&config, &places),
            places,
            reloading: tokio::sync::Mutex::default(),
            store_wide: tokio::sync::Mutex::default(),
            rekey_tried: Mutex::default(),
        }
    }

    /// Forgets which repository a name means; see [`Minting::unpin_repository`].
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the id is kept.
    pub(crate) async fn unpin_repository(
        &self,
        by: &Caller,
        repository: &RepoPattern,
    ) -> Result<PinnedRepository, UpkeepError> {
        let _one_at_a_time = self.store_wide.lock().await;
        self.minting.unpin_repository(by, repository).await
    }
}
