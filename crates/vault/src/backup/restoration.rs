//! The vault of a backup on its way to a new place: with another audit log, and its root key kept
//! wherever it will be kept there.
//!
//! The log's MACs cover its name, so under the new name no lease of the old log is honoured. All else
//! stays, the numbers of versions above all: those given out so far are never given out again.

use broker_audit::chain::Head;

use super::{Backup, BackupError, VaultImage};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::ListForm;
use crate::root_key::{self, RootKeyError, RootKeySource, Wrap};
use crate::row_mac::{RowSum, Witness};
use crate::store::Mark;
use crate::{LogIdentity, new_id};

/// See the module.
pub struct Restoration {
    vault: VaultImage,
    log: LogIdentity,
    key_record: KeyRecord,
}

impl Backup {
    /// Where the root key came from in the vault that was backed up.
    #[must_use]
    pub fn root_key_source(&self) -> &RootKeySource {
        &self.vault.state.key_record.source
    }

    /// What a keyring knows its root key by.
    #[must_use]
    pub fn keyring_entry(&self) -> String {
        let keys = &self.vault.state.key_record.keys;
        root_key::keyring_entry(&keys.vault_id, keys.root_version)
    }

    /// Begins to make the vault again, with a log of its own. `passphrase` wraps the root key where that
    /// is the source; without it, the one that was in force stays.
    ///
    /// # Errors
    ///
    /// If the kernel gives no random numbers.
    pub fn restoration(
        self,
        source: RootKeySource,
        passphrase: Option<Wrap>,
    ) -> Result<Restoration, BackupError> {
        let log = LogIdentity {
            log_id: new_id().map_err(RootKeyError::from)?,
            ..self.vault.state.list.log.clone()
        };
        let before = self.vault.state.key_record.clone();
        let key_record = KeyRecord {
            passphrase: match source {
                RootKeySource::Passphrase => passphrase.or(before.passphrase),
                RootKeySource::File | RootKeySource::Credential(_) | RootKeySource::Keyring => None,
            },
            source,
            // Whatever place it was about, it is not this one.
            change: None,
            ..before
        };
        Ok(Restoration {
            vault: self.vault,
            log,
            key_record,
        })
    }
}

impl Restoration {
    /// Which audit log will belong to it.
    #[must_use]
    pub const fn log(&self) -> &LogIdentity {
        &self.log
    }

    /// The bytes of the vault's file, which names the new log and its head up to `noted`.
    ///
    /// # Errors
    ///
    /// If memory is not to be had.
    pub fn into_image(self, noted: Head) -> Result<Vec<u8>, BackupError> {
        let VaultImage {
            mut store,
            mut state,
            keys,
        } = self.vault;
        // What another program may have written is forgotten here too.
        let witness = Witness::evaluate(&keys, &mut state).map_err(RootKeyError::from)?;
        if let Err(forgotten) = witness.found {
            tracing::warn!(
                rotations = ?forgotten.rotations,
                moves = ?forgotten.moves,
                repositories = forgotten.repositories,
                "something other than tokend had changed what the backed up vault noted; what was under \
                 way in it is not restored: an old value may still work at GitHub, an old copy be there"
            );
        }
        let rows = RowSum::of(&witness.key, state.rows_but_tombstones());
        let signed_head = witness.key.sign_head(&self.log, Some(noted), &rows);
        let list = &state.list;
        let mark = Mark {
            signed_head: Some(signed_head),
            ..list.next_mark(&keys, ListForm::V2, &self.log, None)
        };
        state.key_record = self.key_record.signed(&keys);
        state.list.log = self.log;
        let image = store
            .restore(noted, &mark, &state)
            .and_then(|()| store.snapshot());
        image.map_err(|error: VaultError| BackupError::Vault(error.to_string()))
    }
}
