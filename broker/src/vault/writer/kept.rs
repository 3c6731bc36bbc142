//! What is kept beside the values: rotations, minted tokens, pins, checks.

use broker_protocol::names::SecretName;

use super::Work;
use crate::first_seen::FirstSeen;
use crate::moment::Moment;
use crate::move_state::Move;
use crate::rotation_state::{Rotation, SinkState};
use crate::token::HashedToken;
use crate::vault::checks::Kept;
use crate::vault::error::VaultError;
use crate::vault::known;
use crate::vault::minted::SealedMinted;

impl Work {
    pub(super) fn note_rotation(
        &mut self,
        name: SecretName,
        rotation: Rotation,
    ) -> Result<(), VaultError> {
        self.store.note_rotation(&name, &rotation)?;
        let mut state = known(self.shared.state.write());
        state.rotations.insert(name, rotation);
        Ok(())
    }

    pub(super) fn note_move(
        &mut self,
        name: SecretName,
        moving: Option<Box<Move>>,
    ) -> Result<(), VaultError> {
        self.store.note_move(&name, moving.as_deref())?;
        let moves = &mut known(self.shared.state.write()).moves;
        match moving {
            Some(moving) => moves.insert(name, *moving),
            None => moves.remove(&name),
        };
        Ok(())
    }

    pub(super) fn keep_first_seen(
        &mut self,
        these: Vec<(SecretName, FirstSeen)>,
    ) -> Result<(), VaultError> {
        self.store.keep_first_seen(&these)?;
        known(self.shared.state.write()).first_seen.extend(these);
        Ok(())
    }

    pub(super) fn note_sink(
        &mut self,
        name: SecretName,
        sink: String,
        state: SinkState,
    ) -> Result<(), VaultError> {
        self.store.note_sink(&name, &sink, &state)?;
        let mut all = known(self.shared.state.write());
        all.sinks.entry(name).or_default().insert(sink, state);
        Ok(())
    }

    pub(super) fn keep_minted(&mut self, mut sealed: SealedMinted) -> Result<(), VaultError> {
        let (place, version) = (sealed.minted.place(), sealed.minted.installation);
        self.catch_up(&place, version, &mut sealed.envelope)?;
        self.store.keep_minted(&sealed)?;
        let hashed = sealed.minted.hashed_credential.clone();
        let mut state = known(self.shared.state.write());
        state.minted.insert(hashed, sealed);
        Ok(())
    }

    pub(super) fn note_ending(&mut self, tokens: &[HashedToken]) -> Result<(), VaultError> {
        self.store.note_ending(tokens)?;
        let mut state = known(self.shared.state.write());
        for hashed in tokens {
            if let Some(sealed) = state.minted.get_mut(hashed) {
                sealed.minted.ending = true;
            }
        }
        Ok(())
    }

    pub(super) fn forget_minted(&mut self, hashed: &HashedToken) -> Result<(), VaultError> {
        self.store.forget_minted(hashed)?;
        known(self.shared.state.write()).minted.remove(hashed);
        Ok(())
    }

    pub(super) fn pin_repositories(
        &mut self,
        names: Vec<(Box<str>, u64)>,
    ) -> Result<(), VaultError> {
        self.store.pin_repositories(&names)?;
        let mut state = known(self.shared.state.write());
        for (name, id) in names {
            state.repositories.entry(name).or_insert(id);
        }
        Ok(())
    }

    pub(super) fn unpin_repository(&mut self, name: &str) -> Result<(), VaultError> {
        self.store.unpin_repository(name)?;
        known(self.shared.state.write()).repositories.remove(name);
        Ok(())
    }

    pub(super) fn keep_check(
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

    pub(super) fn keep_failed_check(
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
