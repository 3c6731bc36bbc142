//! Why nothing was restored.

use std::io;
use std::path::{Path, PathBuf};

use broker_audit_writer::AuditLogError;
use broker_private_files::{PrivateError, quoted};
use broker_vault::backup::BackupError;
use broker_vault::root_key::RootKeyError;

use crate::commands::backup::VerifyError;

/// Something that exists where the backup should go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    pub(super) path: PathBuf,
    pub(super) why: &'static str,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Files exist already.
    #[error("nothing was restored, because files exist already:\n{}", one_a_line(.0))]
    InTheWay(Vec<InTheWay>),
    /// An earlier attempt was made with another file.
    #[error(
        "an interrupted restore of another backup is here; finish it with that file (SHA-256 {sha256}), or remove it: rm -r {} {}",
        quoted(audit),
        quoted(staging)
    )]
    OtherAttempt {
        /// The other backup.
        sha256: String,
        /// The audit log it made.
        audit: PathBuf,
        /// What else it left.
        staging: PathBuf,
    },
    /// A broker or another restore works in the same directory.
    #[error("{} is in use by another tokend; stop it first", .0.display())]
    InUse(PathBuf),
    /// The vault had its key from the system, which this command cannot fill.
    #[error(
        "a root key cannot be restored into a systemd credential; pass --root-key file, keyring or passphrase"
    )]
    Credential,
    /// The backup is not one that can be used, or there is no passphrase.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Standard output takes no more.
    #[error("everything is restored, but the report could not be written")]
    Output(#[from] io::Error),
    /// A file or directory.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The root key.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The vault could not be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The new audit log could not be made.
    #[error(transparent)]
    AuditLog(#[from] AuditLogError),
    /// A record could not be written as JSON: a fault of tokend's own.
    #[error("a record could not be written")]
    Record(#[from] serde_json::Error),
}

impl RestoreError {
    /// 8 where the backup is refused; 2 for a wrong command line or no terminal to ask at; else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Verify(error) => error.exit_code(),
            Self::Credential | Self::RootKey(RootKeyError::UnfitPassphrase(_)) => 2,
            Self::InTheWay(_)
            | Self::OtherAttempt { .. }
            | Self::InUse(_)
            | Self::Output(_)
            | Self::Private(_)
            | Self::RootKey(_)
            | Self::Backup(_)
            | Self::AuditLog(_)
            | Self::Record(_) => 1,
        }
    }
}

fn one_a_line(found: &[InTheWay]) -> String {
    let line = |InTheWay { path, why }: &InTheWay| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".before-restore");
        format!(
            "  {} ({why}); move it away: mv {} {}",
            path.display(),
            quoted(path),
            quoted(Path::new(&aside))
        )
    };
    let lines: Vec<_> = found.iter().map(line).collect();
    lines.join("\n")
}
