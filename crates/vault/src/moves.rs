//! What the vault keeps of moves: how far each is, beside the values that it may be about.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;

use super::error::VaultError;
use super::state::states_of;
use super::{Vault, known};
use crate::move_state::Move;

impl Vault {
    /// Writes how far a move is.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, or if it could not be written.
    pub async fn note_move(&self, name: &SecretName, moving: Move) -> Result<(), VaultError> {
        let (name, moving) = (name.clone(), Some(moving));
        self.ask(move |work| work.note_move(&name, moving)).await
    }

    /// Forgets a move: it is at its end, either way.
    ///
    /// # Errors
    ///
    /// As for [`Self::note_move`].
    pub async fn forget_move(&self, name: &SecretName) -> Result<(), VaultError> {
        let name = name.clone();
        self.ask(move |work| work.note_move(&name, None)).await
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
