//! Puts the next root key in force, and sees to envelopes that were on their way meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::ops::Bound;
use std::sync::atomic::Ordering;

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;

use super::Work;
use crate::envelope::{self, DataKeyId};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::SEALED_AT_FIRST;
use crate::known;
use crate::minted::SealedMinted;
use crate::rekey::{AT_ONCE, Change, Next, give_way};
use crate::state::Secret;

impl Work {
    /// Seals the data key of an envelope again that was on its way here while the root key changed.
    pub(crate) fn catch_up(
        &self,
        name: &str,
        version: u64,
        envelope: &mut Box<[u8]>,
    ) -> Result<(), VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let head = envelope.first_chunk_mut().ok_or(VaultError::Overtaken)?;
        let sealed_under = envelope::root_version(head);
        if sealed_under == keys.root().version {
            return Ok(());
        }
        if keys.under(sealed_under).is_none() {
            return Err(VaultError::Overtaken);
        }
        let place = self.shared.place(name, version);
        *head = self.shared.rewrap(keys, keys.root(), place, head)?;
        self.shared.seals.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn forget_previous(&self) {
        let kept = {
            let keys = known(self.shared.keys.read());
            keys.as_ref().is_some_and(|keys| keys.previous.is_some())
        };
        if kept && let Some(keys) = &mut *known(self.shared.keys.write()) {
            keys.previous = None;
        }
    }

    pub(crate) fn note_change(&mut self, change: Option<Change>) -> Result<(), VaultError> {
        let key_record = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            let key_record = KeyRecord {
                change,
                ..state.key_record.clone()
            };
            key_record.signed(keys)
        };
        self.store.write_key_record(&key_record)?;
        known(self.shared.state.write()).key_record = key_record;
        Ok(())
    }

    /// All rows or none, first in the database, then in memory. Nothing is added meanwhile, because
    /// whatever is comes through here; what came since the snapshot is sealed again now.
    ///
    /// What memory is to hold is built aside, so that leases wait for the exchange of two pointers, and
    /// the locks are held for reading a few secrets at a time.
    pub(crate) fn rekey(&mut self, mut next: Next) -> Result<u64, VaultError> {
        next.key_record = {
            let keys = known(self.shared.keys.read());
            next.key_record
                .signed(keys.as_ref().ok_or(VaultError::Locked)?)
        };
        let mut secrets = self.secrets_under(&next)?;
        let mut minted = self.minted_under(&next)?;
        let versions = secrets.values().map(|secret| secret.versions.len());
        let count = versions.sum::<usize>() + minted.len();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let seals = count.max(u64::try_from(next.heads.len()).unwrap_or(u64::MAX));
        let seals = seals.saturating_add(SEALED_AT_FIRST);
        let rows = secrets.iter().flat_map(|(name, secret)| {
            let versions = secret.versions.iter();
            versions.map(move |one| (name, one.version, &*one.envelope))
        });
        let rows = rows.enumerate().map(|(nth, row)| {
            if nth.is_multiple_of(AT_ONCE) {
                give_way();
            }
            row
        });
        let tokens = minted.iter().map(|(hashed, one)| (hashed, &*one.envelope));
        self.stop_if_locked()?;
        self.store.rekey(&next.key_record, seals, rows, tokens)?;
        {
            let mut state = known(self.shared.state.write());
            let mut keys = known(self.shared.keys.write());
            mem::swap(&mut state.list.secrets, &mut secrets);
            mem::swap(&mut state.minted, &mut minted);
            let version = next.key_record.keys.root_version;
            mem::swap(&mut state.key_record, &mut next.key_record);
            self.shared.seals.store(seals, Ordering::Relaxed);
            if let Some(keys) = &mut *keys {
                keys.change_root(next.root, version);
            }
        }
        drop((secrets, minted, next.heads, next.key_record));
        if let Err(error) = self.store.forget_old_rows() {
            tracing::error!(%error, "data keys under the previous root key remain in the vault's log");
        }
        Ok(count)
    }

    /// A `lock` ends a re-key here too.
    fn stop_if_locked(&self) -> Result<(), VaultError> {
        match *known(self.shared.keys.read()) {
            Some(_) => Ok(()),
            None => Err(VaultError::Locked),
        }
    }

    /// All secrets as they are, with their data keys under the next root key.
    fn secrets_under(&self, next: &Next) -> Result<BTreeMap<SecretName, Secret>, VaultError> {
        let mut all = BTreeMap::new();
        loop {
            give_way();
            self.stop_if_locked()?;
            let state = known(self.shared.state.read());
            let after = all.last_key_value().map(|(name, _)| name);
            let after = after.map_or(Bound::Unbounded, Bound::Excluded);
            let rest = state
                .list
                .secrets
                .range::<SecretName, _>((after, Bound::Unbounded));
            let some = rest.take(AT_ONCE).map(|(name, secret)| {
                let mut secret = secret.clone();
                for one in &mut secret.versions {
                    let place = self.shared.place(name.as_str(), one.version);
                    one.envelope = self.envelope_under(next, place, &one.envelope)?;
                }
                Ok((name.clone(), secret))
            });
            let some: Vec<_> = some.collect::<Result<_, VaultError>>()?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// The same of minted tokens, of which there are few.
    fn minted_under(&self, next: &Next) -> Result<HashMap<HashedToken, SealedMinted>, VaultError> {
        let state = known(self.shared.state.read());
        let all = state.minted.iter().map(|(hashed, one)| {
            let minted = one.minted.clone();
            let name = minted.place();
            let place = self.shared.place(&name, minted.installation);
            let envelope = self.envelope_under(next, place, &one.envelope)?;
            Ok((hashed.clone(), SealedMinted { minted, envelope }))
        });
        all.collect()
    }

    /// The envelope with its data key under the next root key: worked out before, or now if it came since.
    fn envelope_under(
        &self,
        next: &Next,
        place: DataKeyId<'_>,
        envelope: &[u8],
    ) -> Result<Box<[u8]>, VaultError> {
        let damaged = || self.shared.does_not_open(place);
        let (head, value) = envelope.split_first_chunk().ok_or_else(damaged)?;
        let head = match next.heads.get(head) {
            Some(head) => *head,
            None => {
                let keys = known(self.shared.keys.read());
                let keys = keys.as_ref().ok_or(VaultError::Locked)?;
                let root = next.root.at_version(next.key_record.keys.root_version);
                self.shared.rewrap(keys, root, place, head)?
            }
        };
        Ok([head.as_slice(), value].concat().into_boxed_slice())
    }
}
