//! Puts the next root key in force, and sees to envelopes that were on their way meanwhile.

use std::mem;
use std::sync::atomic::Ordering;

use super::Work;
use crate::vault::custody::Custody;
use crate::vault::envelope::{self, Place, RewrapError, Under};
use crate::vault::error::VaultError;
use crate::vault::keys::{Keys, SEALED_AT_FIRST};
use crate::vault::known;
use crate::vault::rekey::{Change, Next};
use crate::vault::state::State;

impl Work {
    /// Seals the data key of an envelope anew that was on its way here while the root key changed.
    pub(super) fn catch_up(
        &self,
        name: &str,
        version: u64,
        envelope: &mut Box<[u8]>,
    ) -> Result<(), VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let (root, root_version) = keys.root();
        let head = envelope.first_chunk_mut::<{ envelope::HEAD }>();
        let head = head.ok_or(VaultError::Overtaken)?;
        let sealed_under = envelope::root_version(head);
        if sealed_under == root_version {
            return Ok(());
        }
        let before = keys.under(sealed_under).ok_or(VaultError::Overtaken)?;
        let now = Under {
            root,
            version: root_version,
        };
        let place = Place {
            vault: &self.shared.id,
            name,
            version,
        };
        *head = envelope::rewrap(before, now, place, head)
            .map_err(|cause| self.shared.unwrapped(cause, place))?;
        self.shared.seals.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn forget_previous(&self) {
        let kept = {
            let keys = known(self.shared.keys.read());
            keys.as_ref().is_some_and(Keys::has_previous)
        };
        if kept && let Some(keys) = &mut *known(self.shared.keys.write()) {
            keys.forget_previous();
        }
    }

    pub(super) fn note_change(&mut self, change: Option<Change>) -> Result<(), VaultError> {
        let custody = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            let custody = Custody {
                change,
                ..state.custody.clone()
            };
            custody.signed(keys)
        };
        self.store.keep_custody(&custody)?;
        known(self.shared.state.write()).custody = custody;
        Ok(())
    }

    /// All rows or none, first in the database, then in memory. Nothing is added meanwhile, because
    /// whatever is comes through here; what came since the snapshot is sealed anew now.
    pub(super) fn rekey(&mut self, mut next: Next) -> Result<u64, VaultError> {
        let (mut versions, mut minted) = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            next.custody = next.custody.clone().signed(keys);
            let anew = |name: &str, version, envelope: &[u8]| {
                let place = Place {
                    vault: &self.shared.id,
                    name,
                    version,
                };
                let damaged = || self.shared.unwrapped(RewrapError::DoesNotOpen, place);
                let (head, value) = envelope.split_first_chunk().ok_or_else(damaged)?;
                let head = self.shared.next_head(head, keys, &next, place)?;
                Ok([head.as_slice(), value].concat().into_boxed_slice())
            };
            let all = state.list.secrets.iter();
            let versions: Result<Vec<Box<[u8]>>, VaultError> = all
                .flat_map(|(name, secret)| secret.versions.iter().map(move |one| (name, one)))
                .map(|(name, one)| anew(name.as_str(), one.version, &one.envelope))
                .collect();
            let minted = state.minted.values();
            let minted: Result<Vec<Box<[u8]>>, VaultError> = minted
                .map(|one| anew(&one.minted.place(), one.minted.installation, &one.envelope))
                .collect();
            (versions?, minted?)
        };
        let count = u64::try_from(versions.len() + minted.len()).unwrap_or(u64::MAX);
        let seals = count.max(u64::try_from(next.heads.len()).unwrap_or(u64::MAX));
        let seals = seals.saturating_add(SEALED_AT_FIRST);
        {
            let state = known(self.shared.state.read());
            let all = state.list.secrets.iter();
            let all =
                all.flat_map(|(name, s)| s.versions.iter().map(move |one| (name, one.version)));
            let rows = all.zip(&versions);
            let rows = rows.map(|((name, version), envelope)| (name, version, &**envelope));
            let tokens = state.minted.keys().zip(&minted);
            let tokens = tokens.map(|(hashed, envelope)| (hashed, &**envelope));
            self.store.rekey(&next.custody, seals, rows, tokens)?;
        }
        {
            let mut state = known(self.shared.state.write());
            let mut keys = known(self.shared.keys.write());
            let State {
                list, minted: kept, ..
            } = &mut *state;
            let all = list
                .secrets
                .values_mut()
                .flat_map(|s| s.versions.iter_mut());
            for (one, envelope) in all.zip(&mut versions) {
                mem::swap(&mut one.envelope, envelope);
            }
            for (one, envelope) in kept.values_mut().zip(&mut minted) {
                mem::swap(&mut one.envelope, envelope);
            }
            let version = next.custody.keys.root_version;
            state.custody = next.custody;
            self.shared.seals.store(seals, Ordering::Relaxed);
            if let Some(keys) = &mut *keys {
                keys.change_root(next.root, version);
            }
        }
        if let Err(error) = self.store.forget_old_rows() {
            tracing::error!(%error, "data keys under the root key before linger in the vault's log");
        }
        Ok(count)
    }
}
