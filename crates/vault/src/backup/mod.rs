//! Backups: one file under a passphrase that holds all it takes to go on elsewhere.
//!
//! ```text
//! snapshot ─read back─ seal ─→ SealedBackup ─Recorded<Export>→ bytes that may leave
//! file ─passphrase→ Backup ─every value opened→ checked ─new log→ Restoration → a vault's file
//! ```
//!
//! A backup holds the root key, so that it opens where no one can ask the key's old place any more: its
//! passphrase is all that protects it. That is why its bytes are given out for a durable record alone,
//! which names their SHA-256.
//!
//! A broker reads its own backup back, as a whole and under its keys, before it hands it out; that each
//! value opens is for [`Backup::check_values`], because opening values is not a backup's business.
//!
//! Not here: where files are, HTTP, which policies are in force, the clock.

use std::path::Path;

use broker_audit_writer::{Export, Recorded};
use broker_protocol::hex;
use broker_secret_memory::token::HashedToken;
use content::Contents;
use error::does_not_hold;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::error::VaultError;
use super::keys::Keys;
use super::root_key::{Passphrase, RootKey, RootKeyError};
use super::state::State;
use super::store::Store;
use super::{Vault, envelope, known};

mod content;
mod error;
mod restoration;
mod sealed;

pub use content::{Authorities, BackupFiles, LogAtBackup, Manifest};
pub use error::{BackupError, UnreadableBackup};
pub use restoration::Restoration;

/// The vault's database at one moment. Its values are sealed in it.
pub struct Snapshot(Vec<u8>);

/// What goes into a backup beside the vault.
#[derive(Debug, Clone, Copy)]
pub struct BackupInputs<'a> {
    /// The files that belong to it.
    pub files: &'a BackupFiles,
    /// How far the audit log had got before the snapshot was taken.
    pub log: &'a LogAtBackup,
    /// The version of tokend.
    pub tokend: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl Vault {
    /// Copies the database, while it is being used, at one moment between two changes.
    ///
    /// # Errors
    ///
    /// If it could not be read.
    pub async fn snapshot(&self) -> Result<Snapshot, VaultError> {
        self.ask(|work| {
            work.write_notes();
            work.store.snapshot().map(Snapshot)
        })
        .await
    }

    /// Reads the snapshot back and seals it under a passphrase, with the root key and what belongs to it.
    /// Blocks for a fraction of a second, and more for many secrets.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], a short passphrase, or a snapshot that does not hold.
    pub fn seal_backup(
        &self,
        snapshot: &Snapshot,
        beside: &BackupInputs<'_>,
        by: &Passphrase,
    ) -> Result<SealedBackup, BackupError> {
        let by = by.chosen()?;
        let root = {
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            keys.root.copy().map_err(VaultError::Memory)?
        };
        let vault = VaultImage::read(&snapshot.0, &self.shared.path, &root)?;
        let (secrets, versions) = vault.counts();
        let manifest = Manifest {
            made_at: beside.now,
            tokend: beside.tokend.to_owned(),
            vault: self.id().to_owned(),
            secrets,
            versions,
            log: beside.log.clone(),
            parts: Vec::new(),
        };
        drop(vault);
        // Into the backup, sealed.
        let root = root.expose();
        let content = content::write(manifest.clone(), root, &snapshot.0, beside.files)?;
        let bytes = sealed::seal(&by, &content)?;
        Ok(SealedBackup {
            sha256: hex::of(&Sha256::digest(&bytes)),
            manifest,
            bytes,
        })
    }
}

/// A backup that is made and has not left.
pub struct SealedBackup {
    /// What it holds.
    pub manifest: Manifest,
    sha256: String,
    bytes: Vec<u8>,
}

impl SealedBackup {
    /// SHA-256 of its bytes, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes, for a durable record that names them.
    ///
    /// # Errors
    ///
    /// [`BackupError::OtherRecord`].
    pub fn release(self, recorded: &Recorded<Export>) -> Result<Vec<u8>, BackupError> {
        if recorded.get().sha256 != self.sha256 {
            return Err(BackupError::OtherRecord);
        }
        Ok(self.bytes)
    }
}

/// A backup that its passphrase opened. It is whole, its database is sound, and its root key is that of
/// its vault, whose list of secrets nothing else changed.
pub struct Backup {
    /// What it holds.
    pub manifest: Manifest,
    /// The files that belong to the vault.
    pub files: BackupFiles,
    root: RootKey,
    vault: VaultImage,
}

impl Backup {
    /// Opens the bytes of a file. Blocks for a fraction of a second, and more for many secrets.
    ///
    /// # Errors
    ///
    /// [`BackupError`], each with what to do.
    pub fn open(file: &[u8], by: &Passphrase) -> Result<Self, BackupError> {
        let content = sealed::open(by, file)?;
        let Contents {
            manifest,
            root_key,
            vault,
            files,
        } = content::read(&content.bytes, content.format)?;
        let root = RootKey::of(root_key)?;
        let vault = VaultImage::read(vault, Path::new("vault.db"), &root)?;
        let told = (manifest.secrets, manifest.versions);
        let same_log = manifest.log.log_id == vault.state.list.log.log_id;
        if manifest.vault != vault.state.key_record.keys.vault_id
            || told != vault.counts()
            || !same_log
        {
            return Err(BackupError::Content("list of contents"));
        }
        Ok(Self {
            manifest,
            files,
            root,
            vault,
        })
    }

    /// The root key, on its way to a place of its own.
    #[must_use]
    pub const fn root_key(&self) -> &RootKey {
        &self.root
    }

    /// Opens every version of every secret, and compares it with its hash.
    ///
    /// # Errors
    ///
    /// [`BackupError::Vault`] with the first that does not open or is another value.
    pub fn check_values(&self) -> Result<(), BackupError> {
        let VaultImage { state, keys, .. } = &self.vault;
        for (name, secret) in &state.list.secrets {
            for sealed in &secret.versions {
                let what = sealed.identity(&state.key_record.keys.vault_id, name);
                let version = sealed.version;
                let refuse = |why: &str| {
                    BackupError::Vault(format!("version {version} of secret `{name}` {why}"))
                };
                let value = envelope::unseal(keys.root(), &what, &sealed.envelope)
                    .map_err(|_cause| refuse("does not open"))?;
                if HashedToken::of(&value) != sealed.hashed_credential {
                    return Err(refuse("is not the value its hash names"));
                }
            }
        }
        Ok(())
    }
}

/// A vault in memory, under its keys.
struct VaultImage {
    store: Store,
    state: State,
    keys: Keys,
}

impl VaultImage {
    fn read(image: &[u8], path: &Path, root: &RootKey) -> Result<Self, BackupError> {
        let (store, state) = Store::of_image(image, path).map_err(does_not_hold)?;
        let root = root.copy().map_err(RootKeyError::from)?;
        let keys = Keys::unlock(root, &state, path).map_err(does_not_hold)?;
        Ok(Self { store, state, keys })
    }

    /// Secrets that have a value, and their versions.
    fn counts(&self) -> (u64, u64) {
        let secrets = self.state.list.secrets.values();
        let versions = secrets.map(|secret| secret.versions.len() as u64);
        versions
            .filter(|count| *count > 0)
            .fold((0, 0), |(secrets, all), count| (secrets + 1, all + count))
    }
}

/// Reads a file that may be a backup.
///
/// # Errors
///
/// If it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, UnreadableBackup> {
    std::fs::read(path).map_err(|source| UnreadableBackup {
        path: path.to_owned(),
        source,
    })
}
