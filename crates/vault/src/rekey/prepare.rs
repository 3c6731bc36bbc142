//! Makes the next root key, and puts it behind the passphrases, before anything is changed.

use super::change::{Change, Stage};
use super::{Alone, RekeyError};
use crate::custody::Custody;
use crate::error::VaultError;
use crate::root_key::{
    DEFAULT_CREDENTIAL, Passphrase, RootKey, RootKeyError, RootKeySource, Surroundings, Wrap,
    offered_credential,
};
use crate::{Vault, known};

/// What is wanted of a re-key.
#[derive(Default)]
pub struct RekeyRequest {
    /// Where the root key is to be kept from now on; `None` for where it is.
    pub to: Option<RootKeySource>,
    /// Where the key is to be behind a passphrase: the new one or, if it is already and an earlier
    /// tokend put it there, that one.
    pub passphrase: Option<Passphrase>,
    /// The recovery passphrase, if an earlier tokend set it; or a first one.
    pub recovery: Option<Passphrase>,
}

/// A re-key that can begin.
pub struct Rekey {
    pub(super) next: RootKey,
    pub(super) version: u32,
    pub(super) from: Custody,
    pub(super) to: RootKeySource,
    pub(super) passphrase: Option<Wrap>,
    pub(super) recovery: Option<Wrap>,
    pub(super) _alone: Alone,
}

impl Rekey {
    /// Where the root key comes from, and where it will.
    #[must_use]
    pub const fn sources(&self) -> (&RootKeySource, &RootKeySource) {
        (&self.from.source, &self.to)
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
            to: self.to.to_stored(),
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
    /// [`RekeyError`], each with the mend.
    pub fn prepare_rekey(
        &self,
        asked: &RekeyRequest,
        at: &Surroundings,
    ) -> Result<Prepared, RekeyError> {
        if self.is_locked() {
            return Err(VaultError::Locked.into());
        }
        let alone = self.alone()?;
        let from = known(self.shared.state.read()).custody.clone();
        let version = from.keys.root_version.checked_add(1);
        let version = version.ok_or(VaultError::Stopped)?;
        let to = match (&from.source, &asked.to) {
            (RootKeySource::Credential(name), None | Some(RootKeySource::Credential(_))) => {
                RootKeySource::Credential(next_credential(name, version))
            }
            (in_force, None) => in_force.clone(),
            (_, Some(wanted)) => wanted.clone(),
        };
        let next = match &to {
            RootKeySource::Credential(name) => match offered_credential(name, at)? {
                None => return Ok(Prepared::CredentialWanted(name.clone())),
                Some(key) if from.keys.fits(&key) => {
                    return Err(RekeyError::SameKey(name.clone()));
                }
                Some(key) => key,
            },
            _ => RootKey::generate()?,
        };
        if to == RootKeySource::File && from.source != to && at.key_file.exists() {
            return Err(RekeyError::FileThere(at.key_file.clone()));
        }
        let id = &from.keys.vault_id;
        let passphrase = match (&to, &asked.passphrase) {
            (RootKeySource::Passphrase, typed) => {
                let there = from.passphrase.as_ref();
                let next = behind(there, typed.as_ref(), &next, id)?;
                Some(next.ok_or(if there.is_some() {
                    RekeyError::NeedsPassphrase
                } else {
                    RekeyError::NeedsNewPassphrase
                })?)
            }
            (_, Some(_)) => return Err(RekeyError::NoUseForPassphrase),
            (_, None) => None,
        };
        let recovery = match (&from.recovery, &asked.recovery) {
            (None, None) => None,
            (there, typed) => {
                let next = behind(there.as_ref(), typed.as_ref(), &next, id)?;
                Some(next.ok_or(RekeyError::NeedsRecovery)?)
            }
        };
        Ok(Prepared::Ready(Box::new(Rekey {
            next,
            version,
            from,
            to,
            passphrase,
            recovery,
            _alone: alone,
        })))
    }
}

/// The next root key behind a passphrase; `None` if somebody has to type it, and nobody did.
fn behind(
    there: Option<&Wrap>,
    typed: Option<&Passphrase>,
    next: &RootKey,
    vault_id: &str,
) -> Result<Option<Wrap>, RootKeyError> {
    match (there, typed) {
        (Some(wrap), Some(typed)) => wrap.renewed(next, vault_id, typed).map(Some),
        (Some(wrap), None) if wrap.needs_no_passphrase() => wrap.resealed(next, vault_id).map(Some),
        (None, Some(typed)) => Wrap::make(next, vault_id, typed).map(Some),
        (_, None) => Ok(None),
    }
}

/// What the credential of this version is called: both it and the one before must be there at once.
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
