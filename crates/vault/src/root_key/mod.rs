//! The root key: where it comes from.
//!
//! Which source is in force is written in the vault, in the clear, so that a start never guesses and
//! nothing ever falls back: a source that does not answer is an error that says how to fix it. No
//! source ever makes a new key for a vault that exists. That is decided in [`RootKey::generate`]'s one
//! caller, `tokend init`, before there is a vault.
//!
//! A passphrase does not *become* the key, it wraps it: a changed passphrase re-seals 32 bytes and
//! nothing else, and a recovery passphrase can wrap the same key a second time.
//!
//! Not here: whether a key fits the vault. [`super::Vault::unlock`] finds that out.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, io};

use broker_private_files::{PrivateError, quoted};
use broker_protocol::as_read;
use broker_secret_memory::locked_memory::LockedKey;
use zeroize::Zeroizing;

use super::envelope::{self, NoRandom};

mod credential;
mod file;
mod handover;
mod os_keyring;
mod passphrase;

pub use credential::DEFAULT_NAME as DEFAULT_CREDENTIAL;
pub(crate) use handover::{offered_credential, read_file};
pub use os_keyring::Keyring;
pub(crate) use passphrase::COSTS;
pub use passphrase::{Passphrase, Wrap};

/// The key that protects the data keys.
pub struct RootKey(LockedKey);

impl RootKey {
    /// A new key from the kernel's generator.
    ///
    /// # Errors
    ///
    /// If the kernel gives no memory or no random numbers.
    pub fn generate() -> Result<Self, RootKeyError> {
        LockedKey::filled(|room| envelope::random(room).map_err(RootKeyError::Random)).map(Self)
    }

    /// The key in what a file or a keyring holds: 64 hexadecimal digits, less what an editor adds, or
    /// the 32 bytes themselves. `None` for anything else.
    pub(super) fn read(content: &[u8]) -> Option<Result<Self, RootKeyError>> {
        if let Ok(raw) = <&[u8; 32]>::try_from(content) {
            return Some(Self::filled(|room| room.copy_from_slice(raw)));
        }
        let digits = as_read::cleaned_bytes(content);
        let mut key = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Some(Self::filled(|room| room.copy_from_slice(&*key)))
    }

    /// 64 hexadecimal digits and a newline.
    fn to_text(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(65));
        for byte in self.expose() {
            let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
            text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        text.push(b'\n');
        text
    }

    fn filled(fill: impl FnOnce(&mut [u8; 32])) -> Result<Self, RootKeyError> {
        let fill = |room: &mut [u8; 32]| {
            fill(room);
            Ok::<_, io::Error>(())
        };
        Ok(Self(LockedKey::filled(fill)?))
    }

    /// The key that a backup holds.
    pub(super) fn of(bytes: &[u8; 32]) -> Result<Self, RootKeyError> {
        Self::filled(|room| room.copy_from_slice(bytes))
    }

    /// Returns a second one, for whoever takes a key by value.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn copy(&self) -> Result<Self, io::Error> {
        let fill = |room: &mut [u8; 32]| {
            room.copy_from_slice(self.expose());
            Ok(())
        };
        LockedKey::filled(fill).map(Self)
    }

    pub(super) const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    pub(super) const fn is_in_locked_memory(&self) -> bool {
        self.0.is_locked()
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Where a vault's root key comes from; one is in force, and written in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootKeySource {
    /// A key file beside the configuration.
    File,
    /// A passphrase that someone types at each start.
    Passphrase,
    /// A systemd credential of this name.
    Credential(String),
    /// The keyring of the desktop, through the Secret Service.
    Keyring,
}

impl RootKeySource {
    /// The word for it in records, status and on the command line.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Passphrase => "passphrase",
            Self::Credential(_) => "credential",
            Self::Keyring => "keyring",
        }
    }

    /// As the vault keeps it: the word, and after a colon what else is to be known.
    pub(super) fn to_stored(&self) -> String {
        match self {
            Self::Credential(name) => format!("credential:{name}"),
            Self::File | Self::Passphrase | Self::Keyring => self.as_str().to_owned(),
        }
    }

    pub(super) fn from_stored(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("credential", name)) => Some(Self::Credential(name.to_owned())),
            Some(_) => None,
            None => text.parse().ok(),
        }
    }
}

impl fmt::Display for RootKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no source of a root key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a root key comes from `keyring`, `file`, `passphrase` or `credential`")]
pub struct NotARootKeySource;

impl FromStr for RootKeySource {
    type Err = NotARootKeySource;
    fn from_str(text: &str) -> Result<Self, NotARootKeySource> {
        match text {
            "file" => Ok(Self::File),
            "passphrase" => Ok(Self::Passphrase),
            "credential" => Ok(Self::Credential(DEFAULT_CREDENTIAL.to_owned())),
            "keyring" => Ok(Self::Keyring),
            _ => Err(NotARootKeySource),
        }
    }
}

/// What the sources need to know of the machine.
#[derive(Debug, Clone)]
pub struct KeyLocations {
    /// The key file, whether or not it is there.
    pub key_file: PathBuf,
    /// systemd's `$CREDENTIALS_DIRECTORY`, where it is set.
    pub credentials: Option<PathBuf>,
    /// [`Keyring::SESSION`] but in tests.
    pub keyring: Keyring,
}

/// What the keyring knows a key by: the vault's name, and from the second key on its version.
pub(super) fn keyring_entry(vault_id: &str, version: u32) -> String {
    match version {
        1 => vault_id.to_owned(),
        later => format!("{vault_id}.{later}"),
    }
}

impl RootKeySource {
    /// Reads this version of the root key of the vault named `vault_id`. Blocks: a keyring is waited for, at most
    /// twenty seconds.
    ///
    /// # Errors
    ///
    /// [`RootKeyError`]; for a passphrase always [`RootKeyError::PassphraseNeeded`].
    pub fn fetch(
        &self,
        vault_id: &str,
        version: u32,
        at: &KeyLocations,
    ) -> Result<RootKey, RootKeyError> {
        match self {
            Self::File => file::read(&at.key_file),
            Self::Credential(name) => credential::read(at.credentials.as_deref(), name),
            Self::Keyring => (at.keyring.read)(&keyring_entry(vault_id, version)),
            Self::Passphrase => Err(RootKeyError::PassphraseNeeded),
        }
    }
}

/// Makes a key and keeps it in a new key file, or reads the one that is there: `init` may have been
/// interrupted after the key was written. Returns whether it was made.
///
/// # Errors
///
/// [`RootKeyError`].
pub fn make_file(path: &Path) -> Result<(RootKey, bool), RootKeyError> {
    match file::read(path) {
        Err(RootKeyError::NoFile { .. }) => {
            let key = RootKey::generate()?;
            file::write(path, &key)?;
            Ok((key, true))
        }
        there => there.map(|key| (key, false)),
    }
}

/// Keeps a key that came out of a backup in a new key file, whole or not at all. Returns whether it was
/// made: the same key may be there, from an attempt before this one.
///
/// # Errors
///
/// [`RootKeyError::OtherKey`], and nothing was touched; or if it could not be written.
pub fn put_file(path: &Path, key: &RootKey) -> Result<bool, RootKeyError> {
    match file::read(path) {
        Err(RootKeyError::NoFile { .. }) => file::put(path, key).map(|()| true),
        // Both are keys of ours: nobody learns anything from how long this takes.
        Ok(there) if there.expose() == key.expose() => Ok(false),
        Ok(_) | Err(RootKeyError::NotAKey { .. }) => Err(RootKeyError::OtherKey(path.to_owned())),
        Err(error) => Err(error),
    }
}

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The vault's key file is not there.
    #[error("the vault's key file {} is missing; put it back from a backup, or unlock with the recovery passphrase (no new key is ever made for an existing vault)", .0.display())]
    NoFile(PathBuf),
    /// The key file or its directory is open to others, belongs to others, or cannot be read.
    #[error(transparent)]
    File(#[from] PrivateError),
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
    /// A new passphrase that can be guessed.
    #[error("a passphrase needs at least {} characters", passphrase::SHORTEST)]
    ShortPassphrase,
    /// A new passphrase that could not be typed again.
    #[error("the passphrase {0}")]
    ControlCharacter(#[source] as_read::ControlCharacter),
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

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(RootKey: Clone, fmt::Debug, fmt::Display, PartialEq, serde::Serialize);

    #[test]
    fn a_key_reads_back_from_its_text_and_from_its_bytes() {
        let key = RootKey::generate().unwrap();
        let text = key.to_text();
        assert_eq!(text.len(), 65);
        for content in [
            &text[..],
            &text[..64],
            key.expose(),
            &text.to_ascii_uppercase(),
            &[b"\xef\xbb\xbf", &text[..64], b"\r\n"].concat(),
        ] {
            let read = RootKey::read(content).unwrap().unwrap();
            assert_eq!(read.expose(), key.expose());
        }
    }

    #[test]
    fn anything_else_is_no_key() {
        let long = "0".repeat(65);
        for content in ["", "00", &long, &"g".repeat(64), &"é".repeat(32)] {
            assert!(RootKey::read(content.as_bytes()).is_none(), "{content:?}");
        }
    }

    #[test]
    fn a_source_reads_back_as_the_vault_keeps_it() {
        for source in [
            RootKeySource::File,
            RootKeySource::Passphrase,
            RootKeySource::Keyring,
            RootKeySource::Credential("other".to_owned()),
        ] {
            let stored = source.to_stored();
            assert_eq!(RootKeySource::from_stored(&stored), Some(source));
        }
        assert_eq!(RootKeySource::from_stored("file:/x"), None);
        assert_eq!(RootKeySource::from_stored("hsm"), None);
    }
}
