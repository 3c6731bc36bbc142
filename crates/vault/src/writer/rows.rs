//! Minted tokens and pinned repositories, in the database and in memory.

use std::collections::HashMap;

use broker_secret_memory::token::HashedToken;

use super::Work;
use crate::error::VaultError;
use crate::known;
use crate::minted::SealedMinted;
use crate::row_mac::Row;
use crate::store::{Tx, minted};

impl Work {
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
}
