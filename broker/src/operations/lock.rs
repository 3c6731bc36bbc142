//! Locks and unlocks the store. Both take effect before their record: the one must never wait, and the
//! other hands nothing out, since every lease still needs a record of its own.

use std::path::PathBuf;
use std::sync::Arc;

use broker_audit::record::VaultEvent;
use broker_policy::Caller;
use broker_protocol::paths::Paths;
use broker_vault::root_key::{self, Keyring, Passphrase, RootKey, RootKeyError};

use crate::config::Config;
use crate::lease_record;
use crate::operations::Operations;
use crate::secrets::UpkeepError;

impl Operations {
    /// Forgets the root key. Live leases keep their end; nothing new is handed out.
    ///
    /// `true` if that is in the audit log already.
    pub(crate) async fn lock(&self, by: &Caller) -> bool {
        self.forget_keys(by);
        self.record_locked(by).await
    }

    pub(super) fn forget_keys(&self, by: &Caller) {
        self.vault.lock();
        self.minting.tokens.wipe();
        self.leases.wipe_values();
        self.minting.close_idle_connections();
        self.sources.cache.close();
        tracing::warn!(uid = by.uid, "the store is locked");
    }

    pub(super) async fn record_locked(&self, by: &Caller) -> bool {
        self.journal
            .record_or_trace(&VaultEvent::Locked {
                by: lease_record::caller(by),
            })
            .await
    }

    /// Loads the root key: with a passphrase, or from its configured source.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the store stays locked. A failed attempt is recorded.
    pub(crate) async fn unlock(
        self: &Arc<Self>,
        by: &Caller,
        passphrase: Option<Passphrase>,
    ) -> Result<(), UpkeepError> {
        // One at a time: deriving a key takes all the memory that one derivation should.
        let _one_at_a_time = self.store_wide.lock().await;
        if !self.vault.is_locked() {
            return Ok(());
        }
        let unlocked = self
            .load_root_key(passphrase)
            .await
            .and_then(|(key, from)| {
                self.vault.unlock(key).map_err(UpkeepError::WrongKey)?;
                self.secrets.open_sources();
                Ok(from)
            });
        match unlocked {
            Ok(from) => {
                let by = Some(lease_record::caller(by));
                self.journal
                    .record_or_trace(&VaultEvent::Unlocked { by, root_key: from })
                    .await;
                self.resume().await;
                // What could not be ended without the vault.
                self.minting.tokens.retry_ends_now();
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                let by = lease_record::caller(by);
                self.journal
                    .record_or_trace(&VaultEvent::UnlockRefused { by, why: &why })
                    .await;
                Err(error)
            }
        }
    }

    /// Finishes what an earlier run left, after each unlock. Leases are granted meanwhile.
    pub(crate) async fn resume(self: &Arc<Self>) {
        self.finish_rekey().await;
        self.secrets.recall_source_values().await;
        if self.finish_removals(&self.leases.announced()).await {
            self.leases.rebuild().await;
        }
    }

    async fn load_root_key(
        self: &Arc<Self>,
        passphrase: Option<Passphrase>,
    ) -> Result<(RootKey, &'static str), UpkeepError> {
        let this = Arc::clone(self);
        // Deriving a key and asking a keyring are slow.
        let loaded = tokio::task::spawn_blocking(move || match passphrase {
            Some(passphrase) => this.vault.root_key_behind(&passphrase),
            None => {
                let key = this.vault.fetch_root_key(&this.locations)?;
                Ok((key, this.vault.root_key_in_force().source.as_str()))
            }
        });
        loaded
            .await
            .map_err(|panic| UpkeepError::Broken("the root key", panic))?
            .map_err(UpkeepError::Unlock)
    }
}

/// Where the sources of a root key are looked for.
pub(crate) fn root_key_locations(config: &Config, places: &Paths) -> root_key::KeyLocations {
    if config.is_dev() {
        return root_key::KeyLocations {
            key_file: places.root_key.clone(),
            credentials: None,
            keyring: NO_KEYRING,
        };
    }
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    root_key::KeyLocations {
        key_file: places.root_key.clone(),
        credentials,
        keyring: Keyring::SESSION,
    }
}

/// None, and no call into the session's: that of `tokend --dev`.
pub(crate) const NO_KEYRING: Keyring = Keyring {
    probe: || Err(unused()),
    keep: |_, _| Err(unused()),
    read: |_| Err(unused()),
    erase: |_| Err(unused()),
};

const fn unused() -> RootKeyError {
    RootKeyError::KeyringNotUsed(
        "this is `tokend --dev`, which uses no keyring; its root key stays in a file",
    )
}
