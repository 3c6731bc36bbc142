//! Makes the next root key, and puts it behind the passphrases, before anything is changed.

use super::change::{Change, Stage};
use super::{RekeyError, RekeyGuard};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::root_key::{
    DEFAULT_CREDENTIAL, KeyLocations, Passphrase, RootKey, RootKeyError, RootKeySource, Wrap,
    offered_credential,
};
use crate::{Vault, known};

/// What is wanted of a re-key.
#[derive(Default)]
pub struct RekeyRequest {
    /// Where the root key is to be kept from now on; `None` for where it is.
    pub to: Option<RootKeySource>,
    /// The new passphrase, where the key is to be behind one and is not yet.
    pub passphrase: Option<Passphrase>,
    /// A first recovery passphrase.
    pub recovery: Option<Passphrase>,
}

/// A re-key that can begin.
pub struct Rekey {
    pub(super) next: RootKey,
    pub(super) version: u32,
    pub(super) from: KeyRecord,
    /// Where the next one is to be kept, and the passphrases it is behind. The rest is still that of the one
    /// in force.
    pub(super) key_record: KeyRecord,
    pub(super) _alone: RekeyGuard,
}

impl Rekey {
    /// Where the root key comes from, and where it will.
    #[must_use]
    pub const fn sources(&self) -> (&RootKeySource, &RootKeySource) {
        (&self.from.source, &self.key_record.source)
    }

    /// The version that the next root key will be.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn begun(&self, announced: u64) -> Change {
        Change {
            announced,
            stage: Stage::Begun,
            from: self.from.source.to_stored(),
            from_version: self.from.keys.root_version,
            to: self.key_record.source.to_stored(),
        }
    }
}

/// What preparing a re-key came to.
pub enum Prepared {
    /// It can begin.
    Ready(Box<Rekey>),
    /// An operator has to put a key into the credential of this name first.
    CredentialWanted(String),
}

impl Vault {
    /// Makes the next root key, and puts it behind the passphrases. Nothing is changed yet, but no other
    /// re-key begins before what is returned is dropped. Blocks, for some tenths of a second where a
    /// passphrase is typed.
    ///
    /// # Errors
    ///
    /// [`RekeyError`], each with what to do.
    pub fn prepare_rekey(
        &self,
        asked: &RekeyRequest,
        at: &KeyLocations,
    ) -> Result<Prepared, RekeyError> {
        if self.is_locked() {
            return Err(VaultError::Locked.into());
        }
        let alone = self.alone()?;
        let from = known(self.shared.state.read()).key_record.clone();
        let version = from.keys.root_version.checked_add(1);
        let version = version.ok_or(VaultError::Stopped)?;
        let to = match (&from.source, &asked.to) {
            (RootKeySource::Credential(name), None | Some(RootKeySource::Credential(_))) => {
                RootKeySource::Credential(next_credential(name, version))
            }
            // Not the name of an earlier one, which the unit may still load.
            (_, Some(RootKeySource::Credential(name))) => {
                RootKeySource::Credential(next_credential(name, version))
            }
            (in_force, None) => in_force.clone(),
            (_, Some(wanted)) => wanted.clone(),
        };
        let next = match &to {
            RootKeySource::Credential(name) => match offered_credential(name, at)? {
                None => return Ok(Prepared::CredentialWanted(name.clone())),
                Some(offered) if from.keys.fits(&offered.key) => {
                    return Err(RekeyError::SameKey(name.clone()));
                }
                Some(offered) => {
                    if let Some(changed) = offered.changed {
                        let name = name.clone();
                        return Err(RekeyError::CredentialChanged { name, changed });
                    }
                    offered.key
                }
            },
            _ => RootKey::generate()?,
        };
        if to == RootKeySource::File && from.source != to && at.key_file.exists() {
            return Err(RekeyError::FileThere(at.key_file.clone()));
        }
        let id = &from.keys.vault_id;
        let behind = |there, typed| behind(there, typed, &next, id);
        let passphrase = match (&to, &asked.passphrase) {
            (RootKeySource::Passphrase, typed) => {
                let next = behind(&from.passphrase, typed)?;
                Some(next.ok_or(RekeyError::NeedsNewPassphrase)?)
            }
            (_, Some(_)) => return Err(RekeyError::NoUseForPassphrase),
            (_, None) => None,
        };
        let key_record = KeyRecord {
            source: to,
            passphrase,
            recovery: behind(&from.recovery, &asked.recovery)?,
            ..from.clone()
        };
        Ok(Prepared::Ready(Box::new(Rekey {
            next,
            version,
            from,
            key_record,
            _alone: alone,
        })))
    }
}

/// The next root key behind a passphrase: the one there is, which was typed or not, or else a new one.
fn behind(
    there: &Option<Wrap>,
    typed: &Option<Passphrase>,
    next: &RootKey,
    vault_id: &str,
) -> Result<Option<Wrap>, RootKeyError> {
    let wrap = match (there, typed) {
        (Some(wrap), typed) => {
            // Another one is a mistake, and not a new one.
            if let Some(typed) = typed {
                drop(wrap.open(vault_id, typed)?);
            }
            wrap.resealed(next, vault_id)?
        }
        (None, Some(typed)) => Wrap::make(next, vault_id, typed)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(wrap))
}

/// What the credential of this version is called: both it and the one before must be there at once, and one
/// that was in force earlier is not taken for it.
fn next_credential(name: &str, version: u32) -> String {
    let before = format!("-{}", version.saturating_sub(1));
    let base = name.strip_suffix(&before).unwrap_or(name);
    let base = if base.is_empty() {
        DEFAULT_CREDENTIAL
    } else {
        base
    };
    format!("{base}-{version}")
}
