//! What is kept beside the values: rotations, minted tokens, pins, checks.

use std::collections::HashMap;

use broker_clock::Moment;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;

use super::Work;
use crate::checks::Kept;
use crate::error::VaultError;
use crate::first_seen::FirstSeen;
use crate::known;
use crate::minted::SealedMinted;
use crate::move_state::Move;
use crate::rotation_state::{Rotation, SinkState};
use crate::vouched::Row;

impl Work {
    pub(crate) fn note_rotation(
        &mut self,
        name: SecretName,
        rotation: Rotation,
    ) -> Result<(), VaultError> {
        let (stored, text) = self.store.stored(rotation)?;
        let covered = {
            let state = known(self.shared.state.read());
            let after = Row::Rotation(&name, &stored.digest);
            self.covered(&state, state.rotation_row(&name).into_iter().chain([after]))?
        };
        self.store.note_rotation(&name, &text, covered.vouched())?;
        let mut state = known(self.shared.state.write());
        state.rotations.insert(name, stored);
        self.keep_covered(&mut state, covered);
        Ok(())
    }

    pub(crate) fn note_move(
        &mut self,
        name: SecretName,
        moving: Option<Move>,
    ) -> Result<(), VaultError> {
        let (stored, text) = moving
            .map(|moving| self.store.stored(moving))
            .transpose()?
            .unzip();
        let covered = {
            let state = known(self.shared.state.read());
            let before = state.moves.get(&name);
            let turned = before.into_iter().chain(&stored);
            self.covered(&state, turned.map(|row| Row::Move(&name, &row.digest)))?
        };
        self.store
            .note_move(&name, text.as_deref(), covered.vouched())?;
        let mut state = known(self.shared.state.write());
        match stored {
            Some(stored) => state.moves.insert(name, stored),
            None => state.moves.remove(&name),
        };
        self.keep_covered(&mut state, covered);
        Ok(())
    }

    pub(crate) fn keep_first_seen(
        &mut self,
        these: Vec<(SecretName, FirstSeen)>,
    ) -> Result<(), VaultError> {
        self.store.keep_first_seen(&these)?;
        known(self.shared.state.write()).first_seen.extend(these);
        Ok(())
    }

    pub(crate) fn note_sink(
        &mut self,
        name: SecretName,
        sink: String,
        state: SinkState,
    ) -> Result<(), VaultError> {
        let (stored, text) = self.store.stored(state)?;
        let covered = {
            let state = known(self.shared.state.read());
            let before = state.sinks.get(&name).and_then(|sinks| sinks.get(&sink));
            let turned = before.into_iter().chain([&stored]);
            self.covered(
                &state,
                turned.map(|row| Row::Sink(&name, &sink, &row.digest)),
            )?
        };
        self.store
            .note_sink(&name, &sink, &text, covered.vouched())?;
        let mut state = known(self.shared.state.write());
        let sinks = state.sinks.entry(name).or_default();
        sinks.insert(sink, stored);
        self.keep_covered(&mut state, covered);
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

    pub(crate) fn pin_repositories(
        &mut self,
        names: Vec<(Box<str>, u64)>,
    ) -> Result<(), VaultError> {
        let (new, covered) = {
            let state = known(self.shared.state.read());
            let mut new = HashMap::new();
            for (name, id) in names {
                if !state.repositories.contains_key(&name) {
                    new.entry(name).or_insert(id);
                }
            }
            let turned = new.iter().map(|(name, id)| Row::Repository(name, *id));
            let covered = self.covered(&state, turned)?;
            (new, covered)
        };
        self.store.pin_repositories(&new, covered.vouched())?;
        let mut state = known(self.shared.state.write());
        state.repositories.extend(new);
        self.keep_covered(&mut state, covered);
        Ok(())
    }

    pub(crate) fn unpin_repository(&mut self, name: &str) -> Result<(), VaultError> {
        let covered = {
            let state = known(self.shared.state.read());
            let before = state.repositories.get(name);
            self.covered(&state, before.map(|id| Row::Repository(name, *id)))?
        };
        self.store.unpin_repository(name, covered.vouched())?;
        let mut state = known(self.shared.state.write());
        state.repositories.remove(name);
        self.keep_covered(&mut state, covered);
        Ok(())
    }

    pub(crate) fn keep_check(
        &mut self,
        name: SecretName,
        kept: Kept,
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
