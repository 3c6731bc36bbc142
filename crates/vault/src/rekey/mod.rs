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
//! no one has touched, and after it by the next one, which was durable before. Whoever unlocks next
//! finishes what was left ([`Vault::after_interrupted_rekey`]).
//!
//! No value is opened: bytes 0 to 65 of each envelope change and nothing else.
//!
//! A commit that fails may have happened all the same, if the disk lied. So what was offered is taken
//! back only after a later transaction has succeeded, which settles what the file says.

mod change;
mod error;
mod in_force;
mod pace;
mod prepare;
mod rewrap;

use std::sync::Arc;

use jiff::Timestamp;

pub(super) use self::change::Change;
use self::change::Stage;
pub use self::error::RekeyError;
pub use self::in_force::{MOST_SEALS, RootKeyInForce};
pub(super) use self::pace::{AT_ONCE, give_way};
pub use self::prepare::{Prepared, Rekey, RekeyRequest};
pub(super) use self::rewrap::Next;
use super::error::VaultError;
use super::key_record::KeyRecord;
use super::root_key::{KeyLocations, RootKeySource};
use super::{Shared, Vault, known, to_microseconds};

/// A re-key that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// Where the root key comes from now.
    pub source: RootKeySource,
    /// Its version.
    pub version: u32,
    /// How many data keys were sealed again.
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

/// Held while a re-key is under way.
struct RekeyGuard(Arc<Shared>);

impl Drop for RekeyGuard {
    fn drop(&mut self) {
        *known(self.0.rekeying.lock()) = false;
    }
}

impl Vault {
    /// Puts the next root key in force. `announced` is the number of the record that says so. Blocks: a
    /// second or so for ten thousand secrets, and for a keyring up to forty more. Whether it fails or
    /// not, [`Self::close_rekey`] comes after the record of the outcome.
    ///
    /// # Errors
    ///
    /// [`RekeyError`]; the root key in force stays in force.
    pub fn rekey(
        &self,
        rekey: Rekey,
        announced: u64,
        at: &KeyLocations,
        now: Timestamp,
    ) -> Result<Rekeyed, RekeyError> {
        let change = rekey.begun(announced);
        let Rekey {
            next,
            version,
            from,
            key_record,
            _alone,
        } = rekey;
        let to = key_record.source.clone();
        let begun = change.clone();
        self.ask_blocking(move |work| work.note_change(Some(begun)))?;
        let put_in_force = || -> Result<u64, RekeyError> {
            to.offer(&next, self.id(), version, at)?;
            let root = next.at_version(version);
            let heads = self.rewrap_all(root)?;
            let key_record = KeyRecord {
                keys: self.rewrap_own(&from, root)?,
                made_at: to_microseconds(now),
                change: Some(change.at(Stage::Done)),
                ..key_record
            };
            let next = Next {
                root: next,
                key_record,
                heads,
            };
            Ok(self.ask_blocking(move |work| work.rekey(next))?)
        };
        let data_keys = put_in_force().inspect_err(|_cause| {
            // Once this is written, the commit before it certainly is not.
            let failed = change.at(Stage::Failed);
            let settled = self.ask_blocking(move |work| work.note_change(Some(failed)));
            let settled = settled.map_err(RekeyError::Vault).and_then(|()| {
                let id = self.id();
                to.withdraw(id, version, at).map_err(RekeyError::RootKey)
            });
            if let Err(cause) = settled {
                tracing::error!(%cause, "what a failed re-key left is removed at the next unlock");
            }
        })?;
        let left = self.settle_rekey(&from.source, from.keys.root_version, &to, at);
        let left: Vec<_> = to.to_check(at).into_iter().chain(left).collect();
        Ok(Rekeyed {
            left: (!left.is_empty()).then(|| left.join("; ")),
            source: to,
            version,
            data_keys,
        })
    }

    /// Finishes what a re-key left that the broker did not live to see the end of. To be asked after
    /// each unlock. Blocks only where there is something to do; [`Self::close_rekey`] comes after the
    /// record of it.
    #[must_use]
    pub fn after_interrupted_rekey(&self, at: &KeyLocations) -> Option<Interrupted> {
        // One that is under way sees to itself.
        let _alone = self.alone().ok()?;
        let (change, version) = {
            let state = known(self.shared.state.read());
            let key_record = &state.key_record;
            (key_record.change.clone()?, key_record.keys.root_version)
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
        self.ask(move |work| work.note_change(None)).await
    }

    /// What is left to erase, in words.
    fn settle_rekey(
        &self,
        from: &RootKeySource,
        from_version: u32,
        to: &RootKeySource,
        at: &KeyLocations,
    ) -> Option<String> {
        let arrived = to.arrive(at).map_err(|cause| {
            let file = at.key_file.display();
            format!(
                "the key in force is in {file}.next and could not be moved to {file} ({cause}); the \
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

    fn alone(&self) -> Result<RekeyGuard, RekeyError> {
        let mut rekeying = known(self.shared.rekeying.lock());
        if *rekeying {
            return Err(RekeyError::UnderWay);
        }
        *rekeying = true;
        Ok(RekeyGuard(Arc::clone(&self.shared)))
    }

    fn count_data_keys(&self) -> u64 {
        let state = known(self.shared.state.read());
        let secrets = state.list.secrets.values();
        let versions: usize = secrets.map(|secret| secret.versions.len()).sum();
        u64::try_from(versions + state.minted.len()).unwrap_or(u64::MAX)
    }
}
