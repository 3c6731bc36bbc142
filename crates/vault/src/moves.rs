//! What the vault keeps of moves: how far each is, beside the values that it may be about.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;

use super::error::VaultError;
use super::state::states_of;
use super::{Vault, known};
use crate::move_state::Move;
use crate::row_mac::Row;
use crate::store::{Tx, states};

impl Vault {
    /// Writes how far a move is.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, or if it could not be written.
    pub async fn note_move(&self, name: &SecretName, moving: Move) -> Result<(), VaultError> {
        self.change_move(name, Some(moving)).await
    }

    /// Forgets a move: it is at its end, either way.
    ///
    /// # Errors
    ///
    /// As for [`Self::note_move`].
    pub async fn forget_move(&self, name: &SecretName) -> Result<(), VaultError> {
        self.change_move(name, None).await
    }

    async fn change_move(&self, name: &SecretName, moving: Option<Move>) -> Result<(), VaultError> {
        let name = name.clone();
        self.ask(move |work| {
            let stored = moving.map(|moving| work.store.stored(moving)).transpose()?;
            let (stored, text) = stored.unzip();
            let covered = work.covered(|state, key, rows| {
                let turned = state.moves.get(&name).into_iter().chain(&stored);
                rows.turned(key, turned.map(|row| Row::Move(&name, &row.digest)))
            })?;
            let write =
                |tx: &Tx<'_>| states::write_state(tx, "secret_move", &name, text.as_deref());
            work.change_rows(covered, write, |state| {
                state.moves.remove(&name);
                state
                    .moves
                    .extend(stored.map(|stored| (name.clone(), stored)));
            })
        })
        .await
    }

    /// The move of a secret that is under way, locked or not.
    #[must_use]
    pub fn moving(&self, name: &SecretName) -> Option<Move> {
        let state = known(self.shared.state.read());
        state.moves.get(name).map(|row| row.state.clone())
    }

    /// Every move that is under way, by secret.
    #[must_use]
    pub fn moves(&self) -> BTreeMap<SecretName, Move> {
        states_of(&known(self.shared.state.read()).moves)
    }
}
