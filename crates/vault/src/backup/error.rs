//! Why a file is no backup, or none could be made.

use std::path::PathBuf;

use crate::error::VaultError;
use crate::root_key::RootKeyError;

/// Why a file is no backup that can be used, or none could be made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something else altogether.
    #[error("this is not a backup of tokend; name the file that `tokenctl backup` wrote")]
    NotABackup,
    /// Written by a later version.
    #[error(
        "this backup has format {found} and this tokend knows {known}; use the tokend that made it, or a newer one"
    )]
    Newer {
        /// The format found.
        found: u16,
        /// The newest one known here.
        known: u16,
    },
    /// Its end is missing.
    #[error(
        "this backup is cut off: {found} of {wanted} bytes are there; copy it again from where it came"
    )]
    Truncated {
        /// How many bytes there are.
        found: u64,
        /// How many there should be.
        wanted: u64,
    },
    /// Something follows it.
    #[error(
        "this backup was altered: it has {found} bytes in place of {wanted}; use another copy of it"
    )]
    Longer {
        /// How many bytes there are.
        found: u64,
        /// How many there should be.
        wanted: u64,
    },
    /// Bytes were changed.
    #[error("this backup was altered at byte {at} or shortly after; use another copy of it")]
    Altered {
        /// Where what does not fit begins.
        at: u64,
    },
    /// Another passphrase.
    #[error("this is not the passphrase of this backup; try again")]
    WrongPassphrase,
    /// The passphrase is refused, or no key could be made of it.
    #[error(transparent)]
    Key(#[from] RootKeyError),
    /// Its list of contents.
    #[error("the list of what is in this backup cannot be read")]
    Manifest(#[source] serde_json::Error),
    /// It opens, and is not made as it should be.
    #[error(
        "this backup opens, and its {0} is not what tokend writes; use another backup, and find out who made this one"
    )]
    Content(&'static str),
    /// The vault in it.
    #[error("this backup opens, and the vault in it does not hold ({0}); use another backup")]
    Vault(String),
    /// The vault of this broker cannot be copied.
    #[error("the vault cannot be backed up: {0}")]
    Source(#[from] VaultError),
    /// The record is of another copy.
    #[error("the record is not of this backup, so it is not handed out")]
    OtherRecord,
}

/// What is wrong with a vault that is in a backup: something else helps there than for a file of its own.
pub(super) fn does_not_hold(error: VaultError) -> BackupError {
    BackupError::Vault(match error {
        VaultError::Damaged { why, .. } => format!("it is damaged: {why}"),
        VaultError::NotAVault(_) => "it is no vault of tokend".to_owned(),
        VaultError::Newer { found, known, .. } => format!(
            "it has format {found} and this tokend knows {known}: the tokend that made it opens it"
        ),
        VaultError::TooOld(_) => {
            "it was made in a format before 4: the tokend that made it opens it".to_owned()
        }
        VaultError::WrongKey(_) => "the root key beside it is another vault's".to_owned(),
        VaultError::Tampered { what, .. } => {
            format!("{what} was changed by something other than tokend")
        }
        VaultError::Storage { cause, .. } => cause.to_string(),
        other => other.to_string(),
    })
}

/// A file that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("the backup {} cannot be read: {source}", path.display())]
pub struct UnreadableBackup {
    pub(super) path: PathBuf,
    pub(super) source: std::io::Error,
}
