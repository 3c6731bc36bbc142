//! Moves of secrets from one source to another, as rows.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use rusqlite::params;

use super::{Store, witness};
use crate::error::VaultError;
use crate::move_state::Move;
use crate::state::Stored;
use crate::vouched::Vouched;

impl Store {
    /// Writes how far a move is, or forgets it.
    pub(crate) fn note_move(
        &mut self,
        name: &SecretName,
        text: Option<&str>,
        vouched: Option<&Vouched>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            witness::write_known(tx, vouched)?;
            match text {
                Some(text) => tx
                    .prepare_cached("INSERT OR REPLACE INTO secret_move VALUES (?, ?)")?
                    .execute(params![name.as_str(), text])?,
                None => tx.execute("DELETE FROM secret_move WHERE secret = ?", [name.as_str()])?,
            };
            Ok(())
        })
    }

    pub(super) fn moves(&self) -> Result<BTreeMap<SecretName, Stored<Move>>, rusqlite::Error> {
        self.states("SELECT secret, state FROM secret_move")
    }
}
