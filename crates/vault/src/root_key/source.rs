//! Where a root key comes from, as the vault keeps it in the clear.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{DEFAULT_CREDENTIAL, Keyring, RootKey, RootKeyError, credential, file};

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
    pub(crate) fn to_stored(&self) -> String {
        match self {
            Self::Credential(name) => format!("credential:{name}"),
            Self::File | Self::Passphrase | Self::Keyring => self.as_str().to_owned(),
        }
    }

    pub(crate) fn from_stored(text: &str) -> Option<Self> {
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
pub(crate) fn keyring_entry(vault_id: &str, version: u32) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
