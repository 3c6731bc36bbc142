//! What can go wrong with the vault, each with what to do.

use std::io;
use std::path::PathBuf;

use broker_private_files::{PrivateError, quoted};
use broker_protocol::names::SecretName;

use super::envelope::NoRandom;

/// Why the vault did not do what was asked. What was to be changed is unchanged, unless the text says
/// otherwise.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no vault yet.
    #[error("there is no vault at {}; run `tokenctl init`", .0.display())]
    Missing(PathBuf),
    /// There is one already.
    #[error("there is a vault at {} already", .0.display())]
    Exists(PathBuf),
    /// Open to others, or of another account.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// Some other SQLite database, or none at all.
    #[error("{} is not a vault of tokend; move it away, or name the right one", .0.display())]
    NotAVault(PathBuf),
    /// Written by a later version.
    #[error("the vault {} has format {found} and this tokend knows {known}; install the newer tokend (it was not changed)", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// Of a format from before the first release.
    #[error("the vault {} was made in a format before 4, which this tokend does not read; use the tokend that made it, or move it away, run `tokenctl init` and set its secrets again (it was not changed)", .0.display())]
    TooOld(PathBuf),
    /// Another process has it.
    #[error("the vault {} is in use by another process; is a tokend running? (`tokenctl status`)", .0.display())]
    InUse(PathBuf),
    /// SQLite or a check of ours finds it broken.
    #[error("the vault {} is damaged ({why}); put back a backup of it, and keep this one aside: mv {} {}", path.display(), quoted(path), quoted(&path.with_extension("db.damaged")))]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The root key is another vault's.
    #[error("this key does not fit the vault {}; put back the key that was made with it (its backup, or the recovery passphrase), or the vault that belongs to this key", .0.display())]
    WrongKey(PathBuf),
    /// The root key fits, and what it protects was changed by someone without it.
    #[error("the vault {} was changed by something other than tokend ({what}); put back a backup of it, and rotate the secrets it held", path.display())]
    Tampered {
        /// Which.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The log names a version that this vault never had.
    #[error(
        "the vault is older than its audit log: record says version {recorded} of `{secret}`, the vault knows {known}; put back the newest copy of the vault, or set `{secret}` again after `tokend init --new-audit-log`"
    )]
    PutBack {
        /// The secret.
        secret: SecretName,
        /// Highest version in the log.
        recorded: u64,
        /// Highest version the vault ever gave out, 0 if it does not know the secret.
        known: u64,
    },
    /// The root key is not loaded.
    #[error("store is locked; an operator must run `tokenctl unlock`")]
    Locked,
    /// Nothing is stored under that name.
    #[error("secret `{0}` has no value; store one with `tokenctl secret set {0}`")]
    NoValue(SecretName),
    /// Not in that version.
    #[error("secret `{secret}` has no version {version} any more; ask again")]
    NoVersion {
        /// The secret.
        secret: SecretName,
        /// The version that the record names.
        version: u64,
    },
    /// Another change came first.
    #[error(
        "version {version} of secret `{secret}` is not the next any more; another change came first, so try again"
    )]
    Conflict {
        /// The secret.
        secret: SecretName,
        /// The version that the record names.
        version: u64,
    },
    /// What was sealed came after a change of the root key that did not know of it.
    #[error("the root key was changed meanwhile; try again")]
    Overtaken,
    /// The use names no version, so nothing in the vault is meant.
    #[error("the record for secret `{0}` names no version; its value is not stored in the vault")]
    VersionNotNamed(SecretName),
    /// The value is no text.
    #[error("the value of secret `{0}` is not UTF-8; set it again")]
    NotText(SecretName),
    /// SQLite could not read or write: disk full, I/O error.
    #[error("the vault {} could not be read or written: {cause}", path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Why, as SQLite says it.
        #[source]
        cause: rusqlite::Error,
    },
    /// The thread that writes is gone.
    #[error("the vault's writer has stopped; restart tokend")]
    Stopped,
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// No memory for keys, or no thread.
    #[error("no memory for keys, or no thread: {0}")]
    Memory(#[from] io::Error),
}
