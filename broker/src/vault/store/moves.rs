//! Moves of secrets from one source to another, as rows.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use rusqlite::params;

use super::Store;
use super::rotation::json;
use crate::move_state::Move;
use crate::vault::error::VaultError;

impl Store {
    /// Writes how far a move is, or forgets it.
    pub(in crate::vault) fn note_move(
        &mut self,
        name: &SecretName,
        moving: Option<&Move>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            match moving {
                Some(moving) => tx
                    .prepare_cached("INSERT OR REPLACE INTO secret_move VALUES (?, ?)")?
                    .execute(params![name.as_str(), json(moving)?])?,
                None => tx.execute("DELETE FROM secret_move WHERE secret = ?", [name.as_str()])?,
            };
            Ok(())
        })
    }

    pub(super) fn moves(&self) -> Result<BTreeMap<SecretName, Move>, rusqlite::Error> {
        self.states("SELECT secret, state FROM secret_move")
    }
}
