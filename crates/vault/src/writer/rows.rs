//! What is kept beside the values: rotations, minted tokens, pins, checks.

use std::collections::HashMap;

use broker_clock::Moment;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;

use super::Work;
use crate::checks::CompactCheck;
use crate::error::VaultError;
use crate::first_seen::FirstSeen;
use crate::known;
use crate::minted::SealedMinted;
use crate::move_state::Move;
use crate::rotation_state::{Rotation, SinkState};
use crate::row_mac::Row;
use crate::store::{Tx, minted, states};

impl Work {
    pub(crate) fn note_rotation(
        &mut self,
        name: &SecretName,
        rotation: Rotation,
    ) -> Result<(), VaultError> {
        let (stored, text) = self.store.stored(rotation)?;
        let covered = self.covered(|state, key, rows| {
            let after = Row::Rotation(name, &stored.digest);
            rows.turned(key, state.rotation_row(name).into_iter().chain([after]))
        })?;
        let write = |tx: &Tx<'_>| states::write_rotation(tx, name, &text);
        self.change_rows(covered, write, |state| {
            state.rotations.insert(name.clone(), stored);
        })
    }

    /// `None` forgets the move.
    pub(crate) fn note_move(
        &mut self,
        name: &SecretName,
        moving: Option<Move>,
    ) -> Result<(), VaultError> {
        let stored = moving.map(|moving| self.store.stored(moving)).transpose()?;
        let (stored, text) = stored.unzip();
        let covered = self.covered(|state, key, rows| {
            let turned = state.moves.get(name).into_iter().chain(&stored);
            rows.turned(key, turned.map(|row| Row::Move(name, &row.digest)))
        })?;
        let write = |tx: &Tx<'_>| states::write_move(tx, name, text.as_deref());
        self.change_rows(covered, write, |state| {
            state.moves.remove(name);
            state
                .moves
                .extend(stored.map(|stored| (name.clone(), stored)));
        })
    }

    pub(crate) fn note_sink(
        &mut self,
        name: &SecretName,
        sink: &str,
        sink_state: SinkState,
    ) -> Result<(), VaultError> {
        let (stored, text) = self.store.stored(sink_state)?;
        let covered = self.covered(|state, key, rows| {
            let before = state.sinks.get(name).and_then(|sinks| sinks.get(sink));
            let turned = before.into_iter().chain([&stored]);
            rows.turned(key, turned.map(|row| Row::Sink(name, sink, &row.digest)))
        })?;
        let write = |tx: &Tx<'_>| states::write_sink(tx, name, sink, &text);
        self.change_rows(covered, write, |state| {
            let sinks = state.sinks.entry(name.clone()).or_default();
            sinks.insert(sink.to_owned(), stored);
        })
    }

    pub(crate) fn pin_repositories(
        &mut self,
        names: Vec<(Box<str>, u64)>,
    ) -> Result<(), VaultError> {
        let mut new = HashMap::new();
        {
            let state = known(self.shared.state.read());
            for (name, id) in names {
                if !state.repositories.contains_key(&name) {
                    new.entry(name).or_insert(id);
                }
            }
        }
        let covered = self.covered(|_, key, rows| {
            let turned = new.iter().map(|(name, id)| Row::Repository(name, *id));
            rows.turned(key, turned)
        })?;
        let write = |tx: &Tx<'_>| minted::pin_repositories(tx, &new);
        self.change_rows(covered, write, |state| {
            state.repositories.extend(new.clone());
        })
    }

    pub(crate) fn unpin_repository(&mut self, name: &str) -> Result<(), VaultError> {
        let covered = self.covered(|state, key, rows| {
            let before = state.repositories.get(name);
            rows.turned(key, before.map(|id| Row::Repository(name, *id)))
        })?;
        let write = |tx: &Tx<'_>| minted::unpin_repository(tx, name);
        self.change_rows(covered, write, |state| {
            state.repositories.remove(name);
        })
    }

    pub(crate) fn keep_first_seen(
        &mut self,
        these: Vec<(SecretName, FirstSeen)>,
    ) -> Result<(), VaultError> {
        self.store.keep_first_seen(&these)?;
        known(self.shared.state.write()).first_seen.extend(these);
        Ok(())
    }

    pub(crate) fn keep_minted(&mut self, mut sealed: SealedMinted) -> Result<(), VaultError> {
        let (place, version) = (sealed.minted.place(), sealed.minted.installation);
        self.catch_up(&place, version, &mut sealed.envelope)?;
        self.store.keep_minted(&sealed)?;
        let hashed = sealed.minted.hashed_credential.clone();
        let mut state = known(self.shared.state.write());
        state.minted.insert(hashed, sealed);
        Ok(())
    }

    pub(crate) fn note_ending(&mut self, tokens: &[HashedToken]) -> Result<(), VaultError> {
        self.store.note_ending(tokens)?;
        let mut state = known(self.shared.state.write());
        for hashed in tokens {
            if let Some(sealed) = state.minted.get_mut(hashed) {
                sealed.minted.ending = true;
            }
        }
        Ok(())
    }

    pub(crate) fn forget_minted(&mut self, hashed: &HashedToken) -> Result<(), VaultError> {
        self.store.forget_minted(hashed)?;
        known(self.shared.state.write()).minted.remove(hashed);
        Ok(())
    }

    pub(crate) fn keep_check(
        &mut self,
        name: SecretName,
        kept: CompactCheck,
        findings: &str,
    ) -> Result<(), VaultError> {
        self.store.keep_check(&name, &kept, findings)?;
        let mut state = known(self.shared.state.write());
        let kept = kept.sharing(&state.checks);
        state.checks.insert(name, kept);
        Ok(())
    }

    pub(crate) fn keep_failed_check(
        &mut self,
        name: SecretName,
        at: &Moment,
        why: &str,
    ) -> Result<(), VaultError> {
        self.store.keep_failed_check(&name, at, why)?;
        let mut state = known(self.shared.state.write());
        state.checks.entry(name).or_default().failed(at);
        Ok(())
    }
}
