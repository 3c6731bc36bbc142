//! Why there is no root key.

use std::io;
use std::path::PathBuf;

use broker_private_files::{PrivateError, quoted};
use broker_protocol::as_read;

use crate::envelope::NoRandom;

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The vault's key file is not there.
    #[error("the vault's key file {} is missing; put it back from a backup, or unlock with the recovery passphrase (no new key is ever made for an existing vault)", .0.display())]
    NoFile(PathBuf),
    /// The key file or its directory is open to others, belongs to others, or cannot be read.
    #[error(transparent)]
    File(#[from] PrivateError),
    /// The next key cannot be written beside the one in force.
    #[error(
        "the next key cannot be written to {}: {cause}; keep it in a systemd credential instead (tokenctl rekey --root-key credential), or let tokend's account write to that directory",
        .path.display()
    )]
    NotBeside {
        /// Where it would be.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A place where a key is to be kept holds another one.
    #[error("{} holds another key; move it away, for it may be the only one of another vault: mv {} {}", .0.display(), quoted(.0), quoted(&.0.with_extension("key.other")))]
    OtherKey(PathBuf),
    /// There is something, and it is no key.
    #[error(
        "{place} holds no root key (64 hexadecimal digits, or 32 bytes); put the right one back"
    )]
    NotAKey {
        /// A file or a credential.
        place: String,
    },
    /// systemd passed no credentials at all.
    #[error(
        "the root key is the systemd credential `{0}`, and CREDENTIALS_DIRECTORY is not set; start tokend as a unit with LoadCredentialEncrypted={0}"
    )]
    NoCredentials(String),
    /// systemd passed credentials without this one.
    #[error("{} is missing; add LoadCredentialEncrypted={name} to the unit", directory.join(name).display())]
    NoCredential {
        /// Where credentials are.
        directory: PathBuf,
        /// The one wanted.
        name: String,
    },
    /// No keyring answers.
    #[error(
        "no keyring answers: {0}; start the session's Secret Service (such as gnome-keyring) and restart tokend, or unlock with the recovery passphrase"
    )]
    NoKeyring(String),
    /// This broker uses none.
    #[error("{0}")]
    KeyringNotUsed(&'static str),
    /// A keyring answers and does not do it.
    #[error(
        "the keyring refuses ({0}); unlock it in the desktop session and try again, or unlock with the recovery passphrase"
    )]
    KeyringRefuses(String),
    /// The keyring does not answer in time, most likely because it waits for someone to unlock it.
    #[error(
        "the keyring did not answer within {0} s; unlock it in the desktop session and try again, or unlock with the recovery passphrase"
    )]
    KeyringSilent(u64),
    /// A keyring answers and has no such entry. It may be locked: a locked one can look empty.
    #[error(
        "the keyring shows no key for this vault (service `tokend`, user `{0}`); unlock the keyring it was kept in, or unlock with the recovery passphrase (no new key is ever made for an existing vault)"
    )]
    NotInKeyring(String),
    /// Someone has to type it.
    #[error("the root key is behind a passphrase; run `tokenctl unlock`")]
    PassphraseNeeded,
    /// Neither the passphrase nor the recovery passphrase.
    #[error("neither the passphrase of this vault nor its recovery passphrase; try again")]
    WrongPassphrase,
    /// A vault that no passphrase opens.
    #[error(
        "this vault has neither a passphrase nor a recovery passphrase; its root key comes from the {0}"
    )]
    NoPassphrase(&'static str),
    /// A new passphrase that can be guessed, or could not be typed again.
    #[error("the passphrase {0}")]
    UnfitPassphrase(#[source] as_read::UnfitPassphrase),
    /// What the vault says about a passphrase cannot be right.
    #[error(
        "the vault asks for {memory_kib} KiB and {passes} passes to check a passphrase, which tokend never does; restore it from a backup"
    )]
    Costs {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        passes: u32,
    },
    /// The box could not be made.
    #[error("the root key could not be put behind the passphrase")]
    NotSealed,
    /// Argon2 had not enough memory.
    #[error("a passphrase needs 64 MiB of memory to check: {0}")]
    Derivation(argon2::Error),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// No memory for keys, or no thread.
    #[error("no memory for keys: {0}")]
    Memory(#[from] io::Error),
}
