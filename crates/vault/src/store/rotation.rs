//! Rotations and sinks, as rows.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::load::{name, unreadable};
use super::{Mark, Store, witness};
use crate::error::VaultError;
use crate::rotation_state::{Rotation, SinkState};
use crate::state::Stored;
use crate::vouched::Vouched;

impl Store {
    /// A state on its way into a row, and its text.
    pub(crate) fn stored<T: Serialize>(&self, state: T) -> Result<(Stored<T>, String), VaultError> {
        let text = json(&state).map_err(|cause| self.fault(cause))?;
        let digest = Sha256::digest(&text).into();
        Ok((Stored { state, digest }, text))
    }

    /// Erases the versions of a secret but `keep`, which is named with its hash, and with them the rotation
    /// that this ends, whose text is given if it stays. [`Self::forget_old_rows`]
    /// is to follow, once memory knows.
    pub(crate) fn retire(
        &mut self,
        name: &SecretName,
        keep: Option<(u64, &HashedToken)>,
        rotation: Option<&str>,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.execute(
                "DELETE FROM version WHERE secret = ? AND version IS NOT ?",
                params![name.as_str(), keep.map(|(keep, _)| super::integer(keep))],
            )?;
            super::exposures::forget_before(tx, name, keep.map(|(_, hashed)| hashed))?;
            match rotation {
                Some(rotation) => write(tx, name, rotation),
                None => tx
                    .execute("DELETE FROM rotation WHERE secret = ?", [name.as_str()])
                    .map(|_rows| ()),
            }
        })
    }

    /// Writes how far a rotation is. `vouched` covers what is left, here and below.
    pub(crate) fn note_rotation(
        &mut self,
        name: &SecretName,
        text: &str,
        vouched: Option<&Vouched>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            witness::write_known(tx, vouched)?;
            write(tx, name, text)
        })
    }

    /// Writes what is known of a sink.
    pub(crate) fn note_sink(
        &mut self,
        name: &SecretName,
        sink: &str,
        text: &str,
        vouched: Option<&Vouched>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            witness::write_known(tx, vouched)?;
            tx.prepare_cached("INSERT OR REPLACE INTO sink VALUES (?, ?, ?)")?
                .execute(params![name.as_str(), sink, text])?;
            Ok(())
        })
    }

    pub(super) fn rotations(
        &self,
    ) -> Result<BTreeMap<SecretName, Stored<Rotation>>, rusqlite::Error> {
        self.states("SELECT secret, state FROM rotation")
    }

    /// Rows of a secret's name and a state as JSON.
    pub(super) fn states<T: DeserializeOwned>(
        &self,
        select: &str,
    ) -> Result<BTreeMap<SecretName, Stored<T>>, rusqlite::Error> {
        let mut statement = self.db.prepare(select)?;
        let mut rows = statement.query([])?;
        let mut states = BTreeMap::new();
        while let Some(row) = rows.next()? {
            states.insert(name(row, 0)?, state(row, 1)?);
        }
        Ok(states)
    }

    pub(super) fn sinks(
        &self,
    ) -> Result<BTreeMap<SecretName, BTreeMap<String, Stored<SinkState>>>, rusqlite::Error> {
        let mut statement = self.db.prepare("SELECT secret, sink, state FROM sink")?;
        let mut rows = statement.query([])?;
        let mut sinks: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let of_one = sinks.entry(name(row, 0)?).or_default();
            of_one.insert(row.get(1)?, state(row, 2)?);
        }
        Ok(sinks)
    }
}

/// Writes how far a rotation is, in a transaction with what it is about.
pub(super) fn write(
    tx: &rusqlite::Transaction<'_>,
    name: &SecretName,
    text: &str,
) -> Result<(), rusqlite::Error> {
    tx.prepare_cached("INSERT OR REPLACE INTO rotation VALUES (?, ?)")?
        .execute(params![name.as_str(), text])?;
    Ok(())
}

pub(super) fn json(state: &impl Serialize) -> Result<String, rusqlite::Error> {
    serde_json::to_string(state)
        .map_err(|cause| rusqlite::Error::ToSqlConversionFailure(Box::new(cause)))
}

fn state<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Stored<T>, rusqlite::Error> {
    let text: String = row.get(column)?;
    let digest = Sha256::digest(&text).into();
    let state = serde_json::from_str(&text).map_err(unreadable(column))?;
    Ok(Stored { state, digest })
}
