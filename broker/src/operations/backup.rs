//! Makes a backup: everything the broker holds, sealed under a passphrase.
//!
//! The root key leaves the process in it. So the backup is made whole first, in memory, and nothing of
//! it goes out before a record that names its SHA-256 is durable.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use broker_audit::record::VaultEvent;
use broker_audit_writer::Export;
use broker_policy::{Caller, PolicyFile};
use broker_vault::VaultError;
use broker_vault::backup::{
    Authorities, BackupError, BackupFiles, BackupInputs, LogAtBackup, SealedBackup, Snapshot,
};
use broker_vault::root_key::Passphrase;
use jiff::Timestamp;

use crate::config::AuthorityFile;
use crate::operations::Operations;
use crate::policy_files;
use crate::secrets::UpkeepError;
use crate::{give_back, lease_record};

impl Operations {
    /// Makes a backup and records it. The bytes are sealed under the passphrase.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; nothing may leave.
    pub(crate) async fn back_up(
        self: &Arc<Self>,
        by: &Caller,
        passphrase: Passphrase,
    ) -> Result<Vec<u8>, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let passphrase = passphrase.chosen().map_err(UpkeepError::Passphrase)?;
        // One at a time: deriving a key takes all the memory that one derivation should.
        let _one_at_a_time = self.store_wide.lock().await;
        // Before the snapshot, which then knows of all that the log says up to here.
        self.leases.note_head();
        let (identity, head) = (self.vault.log_identity(), self.journal.head());
        let log = LogAtBackup {
            log_id: identity.log_id,
            public_key: identity.public_key,
            records: head.records,
            head: head.hash.to_string(),
        };
        let snapshot = self.vault.snapshot().await.map_err(UpkeepError::Vault)?;
        let now = self.journal.now().wall;
        let this = Arc::clone(self);
        let sealing = move || {
            let sealed = this.seal(&snapshot, &log, now, &passphrase);
            // Several times the vault was held in memory, and none of it is needed any more.
            drop(snapshot);
            give_back::unused_memory();
            sealed
        };
        let (sealed, policies) = tokio::task::spawn_blocking(sealing)
            .await
            .map_err(|panic| UpkeepError::Broken("the backup", panic))??;
        let manifest = &sealed.manifest;
        let event = VaultEvent::BackedUp {
            by: lease_record::caller(by),
            sha256: sealed.sha256(),
            bytes: sealed.size(),
            secrets: manifest.secrets,
            versions: manifest.versions,
            policies,
        };
        let export = Export {
            sha256: sealed.sha256().to_owned(),
        };
        let recorded = self.journal.record_export(export, &event).await?;
        tracing::warn!(
            uid = by.uid,
            "a backup is handed out; it contains the root key"
        );
        sealed.release(&recorded).map_err(UpkeepError::Backup)
    }

    /// Also says how many files of policies are in it.
    fn seal(
        &self,
        snapshot: &Snapshot,
        log: &LogAtBackup,
        now: Timestamp,
        passphrase: &Passphrase,
    ) -> Result<(SealedBackup, u64), UpkeepError> {
        let policies = self.policies_in_force()?;
        let config = match fs::read_to_string(&self.places.config) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.map_err(UpkeepError::Configuration)?),
        };
        let authorities = authorities(config.as_deref().unwrap_or_default(), &self.places.config);
        let files = BackupFiles {
            config,
            policies,
            authorities,
        };
        let beside = BackupInputs {
            files: &files,
            log,
            tokend: env!("CARGO_PKG_VERSION"),
            now,
        };
        let sealed = self.vault.seal_backup(snapshot, &beside, passphrase);
        let sealed = sealed.map_err(|error| match error {
            BackupError::Source(VaultError::Locked) => UpkeepError::Locked,
            BackupError::Key(error) => UpkeepError::Passphrase(error),
            error => UpkeepError::Backup(error),
        })?;
        Ok((sealed, files.policies.len() as u64))
    }

    /// The files of the policies in force, and the decision tables beside them. A broker keeps what
    /// they mean and not their text, so they are read again, and must be what they were.
    fn policies_in_force(&self) -> Result<Vec<PolicyFile>, UpkeepError> {
        let files = policy_files::read_live(&self.policies.directory)
            .map_err(|error| UpkeepError::Policies(error.into()))?;
        if files.digests() != self.policies.in_force().files {
            return Err(UpkeepError::NotInForce);
        }
        let mut policies = files.policies;
        policies.extend(files.tables);
        Ok(policies)
    }
}

/// What is in the files of certificate authorities that the configuration names. One that is of no use to a
/// broker is of none in a backup, and keeps no one from having one.
fn authorities(config: &str, path: &Path) -> Vec<Authorities> {
    let named = AuthorityFile::named_in(config, path).into_iter();
    let read = named.filter_map(|file| match file.read() {
        Ok(pem) => Some(Authorities {
            table: file.table,
            pem,
        }),
        Err(why) => {
            tracing::warn!(
                why,
                "a file that the configuration names is not in the backup"
            );
            None
        }
    });
    read.collect()
}
