//! Hands a vault over from one root key to the next, in steps that a crash may fall between.
//!
//! ```text
//! offer    the next key is durable where it will be looked for, beside the one in force
//! (the vault's transaction: now the next key is the one in force)
//! settle   what holds the key before is erased
//! ```
//!
//! A key file is offered as `root.key.next` and takes the name of the file in one rename. Where the key
//! file is a link, all of this happens where it leads, and the link stays. In a keyring
//! each version has an entry of its own. A credential is put there by an operator, before; and no one but
//! an operator can take one away. A passphrase has nothing outside of the vault.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use broker_private_files::{self as private, PrivateError};
use broker_protocol::whole_file;
use jiff::Timestamp;

use super::{KeyLocations, RootKey, RootKeyError, RootKeySource, credential, file, keyring_entry};

impl RootKeySource {
    /// Keeps the next key, durably, without touching the one in force.
    pub(crate) fn offer(
        &self,
        next: &RootKey,
        vault_id: &str,
        version: u32,
        at: &KeyLocations,
    ) -> Result<(), RootKeyError> {
        match self {
            Self::File => {
                let beside = next_of(&real(&at.key_file));
                remove(&beside)?;
                private::write_new(&beside, &next.to_text()).map_err(|error| match error {
                    PrivateError::Io { path, cause } if is_for_root(&cause) => {
                        RootKeyError::NotBeside { path, cause }
                    }
                    other => other.into(),
                })
            }
            Self::Keyring => (at.keyring.keep)(&keyring_entry(vault_id, version), next),
            Self::Passphrase | Self::Credential(_) => Ok(()),
        }
    }

    /// Removes a key that was offered and never came into force.
    pub(crate) fn withdraw(
        &self,
        vault_id: &str,
        version: u32,
        at: &KeyLocations,
    ) -> Result<(), RootKeyError> {
        match self {
            Self::File => remove(&next_of(&real(&at.key_file))),
            Self::Keyring => (at.keyring.erase)(&keyring_entry(vault_id, version)),
            Self::Passphrase | Self::Credential(_) => Ok(()),
        }
    }

    /// Puts the key in force where it is looked for first. Only a file has to be moved.
    pub(crate) fn arrive(&self, at: &KeyLocations) -> Result<(), RootKeyError> {
        if *self != Self::File {
            return Ok(());
        }
        let path = &real(&at.key_file);
        match whole_file::replace(&next_of(path), path) {
            // It was moved before, and the broker ended before it could say so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(PrivateError::io(path))?,
        }
        Ok(private::sync_directory_of(path)?)
    }

    /// What an operator has to make sure of before a restart, now that the key comes from here.
    pub(crate) fn to_check(&self, at: &KeyLocations) -> Option<String> {
        let Self::Credential(name) = self else {
            return None;
        };
        let loaded = credential::loaded_at(at.credentials.as_deref(), name);
        let loaded = loaded.and_then(|at| Timestamp::try_from(at).ok());
        let when = loaded.map_or_else(
            || "when tokend started".to_owned(),
            |at| format!("at {}, when systemd loaded it", at.strftime("%FT%TZ")),
        );
        Some(format!(
            "the next start reads the credential `{name}` again: its file must be as it was {when}; if it was \
             written since, run `tokenctl rekey --root-key passphrase` before any restart"
        ))
    }

    /// Erases the key of this version, which is in force no more, where the one in force comes from
    /// `now`. Says what an operator has yet to erase.
    pub(crate) fn erase(
        &self,
        now: &Self,
        vault_id: &str,
        version: u32,
        at: &KeyLocations,
    ) -> Result<Option<String>, RootKeyError> {
        match self {
            Self::File if *now != Self::File => {
                remove(&real(&at.key_file))?;
                // The link, where it was one.
                remove(&at.key_file)?;
            }
            Self::Keyring => (at.keyring.erase)(&keyring_entry(vault_id, version))?,
            Self::Credential(name) => {
                return Ok(Some(format!(
                    "the credential `{name}` holds the key before: take LoadCredentialEncrypted={name} \
                     out of the unit, and remove its file"
                )));
            }
            Self::File | Self::Passphrase => {}
        }
        Ok(None)
    }
}

/// Reads a key file that a re-key may have been interrupted over: the key in it or, if that does not
/// fit, the one offered beside it, which then takes its place. `tidy` is whether anything may be moved
/// or removed: not while a re-key is under way.
pub(crate) fn read_file(
    path: &Path,
    fits: impl Fn(&RootKey) -> bool,
    tidy: bool,
) -> Result<RootKey, RootKeyError> {
    let mut beside = next_of(&real(path));
    if !beside.exists() {
        // Where an earlier tokend offered it, whatever the key file was.
        beside = next_of(path);
    }
    let found = file::read(path);
    if found.as_ref().is_ok_and(&fits) {
        if tidy && beside.exists() {
            remove(&beside)?;
        }
        return found;
    }
    match file::read(&beside) {
        Ok(next) if fits(&next) => {
            if tidy {
                RootKeySource::File.arrive(&KeyLocations {
                    key_file: path.to_owned(),
                    credentials: None,
                    keyring: super::Keyring::SESSION,
                })?;
            }
            Ok(next)
        }
        // What is wrong with the key file is what is to be fixed.
        _ => found,
    }
}

/// The key in a credential that is to come into force; `None` while it is not there.
pub(crate) fn offered_credential(
    name: &str,
    at: &KeyLocations,
) -> Result<Option<Offered>, RootKeyError> {
    let key = match credential::read(at.credentials.as_deref(), name) {
        Err(RootKeyError::NoCredentials(_) | RootKeyError::NoCredential { .. }) => return Ok(None),
        read => read?,
    };
    let loaded = credential::loaded_at(at.credentials.as_deref(), name);
    let changed = loaded.and_then(|at| credential::changed_since(at, name, credential::STORES));
    Ok(Some(Offered { key, changed }))
}

/// A key in a credential.
pub(crate) struct Offered {
    pub(crate) key: RootKey,
    /// Where the credential's file may have been written after systemd loaded it.
    pub(crate) changed: Option<PathBuf>,
}

/// The key file itself, where its name is a link.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_missing| path.to_owned())
}

/// Whether only an operator can change that: a service's configuration is root's, and its unit may mount it read-only.
fn is_for_root(cause: &io::Error) -> bool {
    let kind = cause.kind();
    matches!(
        kind,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Where the next key is offered.
fn next_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

/// Removes a file, if it is there, durably.
fn remove(path: &Path) -> Result<(), RootKeyError> {
    if private::remove(path)? {
        private::sync_directory_of(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_next_key_cannot_be_written_the_way_out_is_named() {
        // Not even root may make a file there.
        let at = KeyLocations {
            key_file: PathBuf::from("/sys/kernel/root.key"),
            credentials: None,
            keyring: super::super::Keyring::SESSION,
        };
        let next = RootKey::generate().unwrap();
        let refused = RootKeySource::File.offer(&next, "id", 2, &at).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, RootKeyError::NotBeside { .. }), "{text}");
        for part in [
            "/sys/kernel/root.key.next: ",
            "tokenctl rekey --root-key credential",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
