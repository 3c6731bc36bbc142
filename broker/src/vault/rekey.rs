//! Re-keying: a new root key, and every data key sealed under it in place of the one before.
//!
//! ```text
//! begin    that it has begun is durable in the vault          Change { Begun }
//! offer    the next key is durable at its keeper, beside the one in force
//! rewrap   every data key, from a snapshot, with no lock held for longer than a moment
//! commit   one transaction: all rows, or none                 Change { Done }
//! swap     the same in memory: a lease sees all of it or nothing
//! settle   the key before is erased at its keeper
//! close    after the record of the outcome                    no Change
//! ```
//!
//! At each of these lines the vault on disk can be opened: before the commit by the key in force, which
//! nobody has touched, and after it by the next one, which was durable before. Whoever unlocks next
//! finishes what was left ([`Vault::after_interrupted_rekey`]).
//!
//! No value is opened: bytes 0 to 65 of each envelope change and nothing else.
//!
//! A commit that fails may have happened all the same, if the disk lied. So what was offered is taken
//! back only after a later transaction has succeeded, which settles what the file says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use broker_protocol::names::SecretName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::custody::Custody;
use super::envelope::{self, Head, Place, RewrapError, Under};
use super::error::VaultError;
use super::keys;
use super::root_key::{
    DEFAULT_CREDENTIAL, Passphrase, RootKey, RootKeyError, RootKeySource, Surroundings, Wrap,
    offered_credential,
};
use super::writer::{Reply, Request};
use super::{Shared, Vault, known, stopped, to_microseconds};

/// How many times AES-GCM may be used with one key and random nonces of 96 bits.
///
/// Source: NIST SP 800-38D, section 8.3.
pub const MOST_SEALS: u64 = 1 << 32;

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
    next: RootKey,
    version: u32,
    from: Custody,
    to: RootKeySource,
    passphrase: Option<Wrap>,
    recovery: Option<Wrap>,
    _alone: Alone,
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

    pub(super) fn begun(&self, announced: u64) -> Change {
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

/// A re-key that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// Where the root key comes from now.
    pub source: RootKeySource,
    /// Its version.
    pub version: u32,
    /// How many data keys were sealed anew.
    pub data_keys: u64,
    /// What is left to erase, and for whom; in words.
    pub left: Option<String>,
}

/// A re-key that the broker did not live to see the end of, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupted {
    /// It is in force.
    Done {
        /// Number of the record that announced it.
        announced: u64,
        /// As if it had not been interrupted.
        rekeyed: Rekeyed,
    },
    /// It never came into force, and nothing is left of it.
    Failed {
        /// Number of the record that announced it.
        announced: u64,
    },
}

/// The root key in force, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKeyInForce {
    /// Where it comes from.
    pub source: RootKeySource,
    /// Its version, from 1.
    pub version: u32,
    /// When it came into force.
    pub made_at: Timestamp,
    /// How many times it has sealed since, at most.
    pub seals: u64,
    /// Whether a recovery passphrase opens the vault too.
    pub recovery: bool,
    /// Why the next re-key needs a person; `None` if it does not.
    pub needs: Option<Needs>,
}

/// What only a person can do for a re-key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Type the passphrase, once.
    Passphrase,
    /// Type the recovery passphrase, once.
    Recovery,
    /// Make the next credential.
    Credential,
}

impl Needs {
    /// The word for it in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery",
            Self::Credential => "credential",
        }
    }
}

/// A change of the root key that has begun and is not settled, as the vault keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    announced: u64,
    stage: Stage,
    from: String,
    from_version: u32,
    to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Begun,
    Failed,
    Done,
}

impl Change {
    pub(super) fn to_stored(&self) -> String {
        // Numbers and words: nothing that could not be JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }
}

/// All that the writer needs to put the next root key in force.
pub(super) struct Next {
    pub(super) root: RootKey,
    pub(super) custody: Custody,
    /// Each envelope's head as it was, and as it will be.
    pub(super) heads: HashMap<Head, Head>,
}

/// Held while a re-key is under way.
struct Alone(Arc<Shared>);

impl Drop for Alone {
    fn drop(&mut self) {
        *known(self.0.rekeying.lock()) = false;
    }
}

impl Vault {
    /// The root key in force, without the key. Locked or not.
    #[must_use]
    pub fn root_key_in_force(&self) -> RootKeyInForce {
        let state = known(self.shared.state.read());
        let custody = &state.custody;
        let old = |wrap: &Option<Wrap>| wrap.as_ref().is_some_and(|w| !w.needs_no_passphrase());
        RootKeyInForce {
            source: custody.source.clone(),
            version: custody.keys.root_version,
            made_at: custody.made_at,
            seals: self.shared.seals.load(Ordering::Relaxed),
            recovery: custody.recovery.is_some(),
            needs: match &custody.source {
                RootKeySource::Credential(_) => Some(Needs::Credential),
                _ if old(&custody.passphrase) => Some(Needs::Passphrase),
                _ if old(&custody.recovery) => Some(Needs::Recovery),
                _ => None,
            },
        }
    }

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

    /// Puts the next root key in force. `announced` is the number of the record that says so. Blocks: a
    /// second or so for ten thousand secrets, and for a keyring up to twenty more. Whether it fails or
    /// not, [`Self::close_rekey`] comes after the record of the outcome.
    ///
    /// # Errors
    ///
    /// [`RekeyError`]; the root key in force stays in force.
    pub fn rekey(
        &self,
        rekey: Rekey,
        announced: u64,
        at: &Surroundings,
        now: Timestamp,
    ) -> Result<Rekeyed, RekeyError> {
        let change = rekey.begun(announced);
        let Rekey {
            next,
            version,
            from,
            to,
            passphrase,
            recovery,
            _alone,
        } = rekey;
        self.ask_blocking(|reply| Request::Change(Some(change.clone()), reply))?;
        let take_back = |error: RekeyError| {
            // Once this is written, the commit before it certainly is not.
            let failed = change.at(Stage::Failed);
            let settled = self.ask_blocking(|reply| Request::Change(Some(failed), reply));
            let settled = settled.map_err(RekeyError::Vault).and_then(|()| {
                let id = self.id();
                to.withdraw(id, version, at).map_err(RekeyError::RootKey)
            });
            if let Err(cause) = settled {
                tracing::error!(%cause, "what a failed re-key left is removed at the next unlock");
            }
            error
        };
        if let Err(cause) = to.offer(&next, self.id(), version, at) {
            return Err(take_back(cause.into()));
        }
        let heads = self
            .rewrap_all(&next, version)
            .map_err(|cause| take_back(cause.into()))?;
        let sealed = self.rewrap_own(&from, &next, version);
        let custody = Custody {
            source: to.clone(),
            keys: sealed.map_err(|cause| take_back(cause.into()))?,
            passphrase,
            recovery,
            made_at: to_microseconds(now),
            change: Some(change.at(Stage::Done)),
            mac: None,
        };
        let next = Box::new(Next {
            root: next,
            custody,
            heads,
        });
        let data_keys = self
            .ask_blocking(|reply| Request::Rekey(next, reply))
            .map_err(|cause| take_back(cause.into()))?;
        Ok(Rekeyed {
            left: self.settle_rekey(&from.source, from.keys.root_version, &to, at),
            source: to,
            version,
            data_keys,
        })
    }

    /// Finishes what a re-key left that the broker did not live to see the end of. To be asked after
    /// each unlock. Blocks only where there is something to do; [`Self::close_rekey`] comes after the
    /// record of it.
    #[must_use]
    pub fn after_interrupted_rekey(&self, at: &Surroundings) -> Option<Interrupted> {
        // One that is under way sees to itself.
        let _alone = self.alone().ok()?;
        let (change, version) = {
            let state = known(self.shared.state.read());
            let custody = &state.custody;
            (custody.change.clone()?, custody.keys.root_version)
        };
        let announced = change.announced;
        let from = RootKeySource::from_stored(&change.from)?;
        let to = RootKeySource::from_stored(&change.to)?;
        if change.stage != Stage::Done {
            let next = change.from_version.saturating_add(1);
            if let Err(cause) = to.withdraw(self.id(), next, at) {
                tracing::error!(%cause, "a key that never came into force could not be removed");
            }
            return Some(Interrupted::Failed { announced });
        }
        let left = self.settle_rekey(&from, change.from_version, &to, at);
        let rekeyed = Rekeyed {
            source: to,
            version,
            data_keys: self.count_data_keys(),
            left,
        };
        Some(Interrupted::Done { announced, rekeyed })
    }

    /// Forgets that a re-key was under way, once its outcome is recorded.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written; the next unlock says the outcome again.
    pub async fn close_rekey(&self) -> Result<(), VaultError> {
        self.ask(|reply| Request::Change(None, reply)).await
    }

    /// What is left to erase, in words.
    fn settle_rekey(
        &self,
        from: &RootKeySource,
        from_version: u32,
        to: &RootKeySource,
        at: &Surroundings,
    ) -> Option<String> {
        let arrived = to.arrive(at).map_err(|cause| {
            let file = at.key_file.display();
            format!(
                "the key in force lies in {file}.next and could not be moved to {file} ({cause}); the \
                 next unlock tries again"
            )
        });
        let erased = arrived.and_then(|()| {
            from.erase(to, self.id(), from_version, at).map_err(|cause| {
                format!("the key before could not be erased from the {from} ({cause}); erase it there")
            })
        });
        let left = erased.unwrap_or_else(Some);
        if let Some(left) = &left {
            tracing::warn!(left, "the root key is changed, and something is left to do");
        }
        left
    }

    fn alone(&self) -> Result<Alone, RekeyError> {
        let mut rekeying = known(self.shared.rekeying.lock());
        if *rekeying {
            return Err(RekeyError::UnderWay);
        }
        *rekeying = true;
        Ok(Alone(Arc::clone(&self.shared)))
    }

    fn count_data_keys(&self) -> u64 {
        let state = known(self.shared.state.read());
        let secrets = state.list.secrets.values();
        let versions: usize = secrets.map(|secret| secret.versions.len()).sum();
        u64::try_from(versions + state.minted.len()).unwrap_or(u64::MAX)
    }

    /// Seals every data key anew. The locks are held for a few of them at a time, so that neither a
    /// lease nor a `lock` waits; a `lock` ends it.
    fn rewrap_all(&self, next: &RootKey, version: u32) -> Result<HashMap<Head, Head>, VaultError> {
        let snapshot = self.envelopes()?;
        let mut heads = HashMap::with_capacity(snapshot.len());
        let next = Under {
            root: next.expose(),
            version,
        };
        for some in snapshot.chunks(AT_ONCE) {
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            for item in some {
                let place = Place {
                    vault: self.id(),
                    name: &item.name,
                    version: item.version,
                };
                let under = envelope::root_version(&item.head);
                let under = keys.under(under).ok_or_else(|| self.damaged(place))?;
                let head = envelope::rewrap(under, next, place, &item.head);
                heads.insert(
                    item.head,
                    head.map_err(|cause| self.unwrapped(cause, place))?,
                );
            }
        }
        Ok(heads)
    }

    fn envelopes(&self) -> Result<Vec<Item>, VaultError> {
        let state = known(self.shared.state.read());
        let versions = state.list.secrets.iter().flat_map(|(name, secret)| {
            let versions = secret.versions.iter();
            versions.map(|sealed| (name.to_string(), sealed.version, &sealed.envelope))
        });
        let minted = state.minted.values().map(|sealed| {
            let minted = &sealed.minted;
            (minted.place(), minted.installation, &sealed.envelope)
        });
        let items = versions.chain(minted).map(|(name, version, envelope)| {
            let place = Place {
                vault: self.id(),
                name: &name,
                version,
            };
            let head = *envelope::head(envelope).ok_or_else(|| self.damaged(place))?;
            Ok(Item {
                name,
                version,
                head,
            })
        });
        items.collect()
    }

    /// Seals what the root key seals once per vault anew.
    fn rewrap_own(
        &self,
        from: &Custody,
        next: &RootKey,
        version: u32,
    ) -> Result<keys::SealedKeys, VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let sealed = from.keys.rewrapped(keys.root_key(), next, version);
        sealed.map_err(|cause| match cause {
            keys::RewrapError::DoesNotOpen => VaultError::Tampered {
                path: self.shared.path.clone(),
                what: "its own keys".to_owned(),
            },
            keys::RewrapError::Memory(cause) => VaultError::Memory(cause),
            keys::RewrapError::NoRandom(cause) => VaultError::Random(cause),
        })
    }

    fn damaged(&self, place: Place<'_>) -> VaultError {
        self.shared.unwrapped(RewrapError::DoesNotOpen, place)
    }

    fn unwrapped(&self, cause: RewrapError, place: Place<'_>) -> VaultError {
        self.shared.unwrapped(cause, place)
    }

    fn ask_blocking<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, VaultError> {
        self.writer.ask(request)?.blocking_recv().map_err(stopped)?
    }
}

impl Shared {
    /// The head of an envelope under the next root key: worked out before, or now if it came since.
    pub(super) fn next_head(
        &self,
        head: &Head,
        keys: &keys::Keys,
        next: &Next,
        place: Place<'_>,
    ) -> Result<Head, VaultError> {
        if let Some(head) = next.heads.get(head) {
            return Ok(*head);
        }
        let under = Under {
            root: next.root.expose(),
            version: next.custody.keys.root_version,
        };
        let before = keys.under(envelope::root_version(head));
        let before = before.ok_or(RewrapError::DoesNotOpen);
        before
            .and_then(|before| envelope::rewrap(before, under, place, head))
            .map_err(|cause| self.unwrapped(cause, place))
    }

    pub(super) fn unwrapped(&self, cause: RewrapError, place: Place<'_>) -> VaultError {
        match cause {
            RewrapError::NoRandom(cause) => VaultError::Random(cause),
            RewrapError::DoesNotOpen => VaultError::Tampered {
                path: self.path.clone(),
                what: match place.name.parse::<SecretName>() {
                    Ok(name) => format!("version {} of secret `{name}`", place.version),
                    Err(_) => "an installation token".to_owned(),
                },
            },
        }
    }
}

/// The next root key behind a passphrase; `None` if somebody has to type it, and nobody did.
fn behind(
    there: Option<&Wrap>,
    typed: Option<&Passphrase>,
    next: &RootKey,
    vault_id: &str,
) -> Result<Option<Wrap>, RootKeyError> {
    if let (Some(wrap), Some(typed)) = (there, typed) {
        // Another one is a mistake, and not a new one.
        drop(wrap.open(vault_id, typed)?);
    }
    match (there, typed) {
        (Some(wrap), _) if wrap.needs_no_passphrase() => wrap.resealed(next, vault_id).map(Some),
        (_, Some(typed)) => Wrap::make(next, vault_id, typed).map(Some),
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

/// One envelope of the snapshot.
struct Item {
    name: String,
    version: u64,
    head: Head,
}

/// How many data keys are sealed anew under one hold of the lock: some hundred microseconds.
const AT_ONCE: usize = 64;

/// Why there was no re-key. The root key in force stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RekeyError {
    /// One at a time.
    #[error("a re-key is under way already; wait for its end")]
    UnderWay,
    /// A passphrase that an earlier tokend put the key behind.
    #[error(
        "an earlier tokend put the root key behind the passphrase, which has to be typed once: run `tokenctl rekey --passphrase`"
    )]
    NeedsPassphrase,
    /// A passphrase that does not exist yet.
    #[error(
        "the passphrase that is to guard the root key is missing: run `tokenctl rekey --root-key passphrase` at a terminal, or give it on standard input"
    )]
    NeedsNewPassphrase,
    /// A recovery passphrase that an earlier tokend set.
    #[error(
        "an earlier tokend set the recovery passphrase, which has to be typed once, or it would not open the vault any more: run `tokenctl rekey --recovery`"
    )]
    NeedsRecovery,
    /// A passphrase that would guard nothing.
    #[error(
        "a passphrase is of use only with `--root-key passphrase`, or where the root key is behind one"
    )]
    NoUseForPassphrase,
    /// The credential holds the key that is in force.
    #[error(
        "the credential `{0}` holds the key that is in force; put a new one there: openssl rand -hex 32 | systemd-creds encrypt --name={0} - /etc/credstore.encrypted/{0}"
    )]
    SameKey(String),
    /// A file that somebody may need.
    #[error("there is a file {} already, which may be the key of another vault; move it away and try again", .0.display())]
    FileThere(std::path::PathBuf),
    /// The keeper of the key, or a passphrase.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
