//! Why nothing was restored.

use std::path::{Path, PathBuf};

use broker_audit_writer::AuditLogError;
use broker_private_files::{PrivateError, quoted};
use broker_vault::backup::BackupError;
use broker_vault::root_key::RootKeyError;

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
