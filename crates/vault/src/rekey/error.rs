//! Why there was no re-key, each with what to do.

use std::path::PathBuf;

use crate::error::VaultError;
use crate::root_key::RootKeyError;

/// Why there was no re-key. The root key in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// One at a time.
    #[error("a re-key is under way already; wait for its end")]
    UnderWay,
    /// A passphrase that does not exist yet.
    #[error(
        "the passphrase that is to guard the root key is missing: run `tokenctl rekey --root-key passphrase` at a terminal, or give it on standard input"
    )]
    NeedsNewPassphrase,
    /// A passphrase that would guard nothing.
    #[error(
        "a passphrase is of use only with `--root-key passphrase`, or where the root key is behind one"
    )]
    NoUseForPassphrase,
    /// The credential holds the key that is in force.
    #[error(
        "the credential `{0}` holds the key that is in force; put a new one there: openssl rand -hex 32 | systemd-creds encrypt --name={0} - /etc/credstore.encrypted/{0}; then systemctl restart tokend.service"
    )]
    SameKey(String),
    /// The credential is as systemd loaded it, and its file may be another by now.
    #[error(
        "{} was changed after systemd loaded the credential `{name}` for tokend, so the next start may read another key; run systemctl restart tokend.service, and try again",
        .changed.display()
    )]
    CredentialChanged {
        /// The credential's name.
        name: String,
        /// Its file, or the directory of it.
        changed: PathBuf,
    },
    /// A file that may be needed.
    #[error("there is a file {} already, which may be the key of another vault; move it away and try again", .0.display())]
    FileThere(PathBuf),
    /// The keeper of the key, or a passphrase.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
