//! What is stored as JSON: rotations, sinks, moves, and since when values have been known.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use rusqlite::{Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::load::{name, unreadable};
use super::{Mark, Store, Tx};
use crate::error::VaultError;
use crate::first_seen::FirstSeen;
use crate::rotation_state::SinkState;
use crate::state::{Secret, Stored};

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
            write_state(tx, "rotation", name, rotation)
        })
    }

    pub(super) fn sinks(
        &self,
    ) -> rusqlite::Result<BTreeMap<SecretName, BTreeMap<String, Stored<SinkState>>>> {
        let mut sinks: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        self.rows::<_, ()>("SELECT secret, sink, state FROM sink", |row| {
            let of_one = sinks.entry(name(row, 0)?).or_default();
            of_one.insert(row.get(1)?, state(row, 2)?);
            Ok(())
        })?;
        Ok(sinks)
    }

    /// Of every secret: so the names and hashes of those in the vault are its own.
    pub(super) fn first_seen(
        &self,
        secrets: &BTreeMap<SecretName, Secret>,
    ) -> rusqlite::Result<BTreeMap<SecretName, FirstSeen>> {
        let rows = self.states::<FirstSeen>("first_seen")?.into_iter();
        let shared = rows.map(|(name, row)| match secrets.get_key_value(&name) {
            Some((name, secret)) => {
                let versions = secret.versions.iter();
                let hashes = versions.map(|version| &version.hashed_credential);
                (name.clone(), row.state.sharing(hashes))
            }
            None => (name, row.state),
        });
        Ok(shared.collect())
    }

    pub(crate) fn keep_first_seen(
        &mut self,
        these: &[(SecretName, FirstSeen)],
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            for (name, seen) in these {
                write_state(tx, "first_seen", name, Some(&json(seen)?))?;
            }
            Ok(())
        })
    }

    /// A table of secrets' names and a state.
    pub(super) fn states<T: DeserializeOwned>(
        &self,
        table: &str,
    ) -> rusqlite::Result<BTreeMap<SecretName, Stored<T>>> {
        let query = format!("SELECT secret, state FROM {table}");
        self.rows(&query, |row| Ok((name(row, 0)?, state(row, 1)?)))
    }
}

/// Writes the state of a secret into this table, or deletes its row.
pub(crate) fn write_state(
    tx: &Tx<'_>,
    table: &'static str,
    name: &SecretName,
    text: Option<&str>,
) -> rusqlite::Result<usize> {
    let name = name.as_str();
    match text {
        Some(text) => {
            let insert = format!("INSERT OR REPLACE INTO {table} VALUES (?, ?)");
            tx.execute(&insert, [name, text])
        }
        None => tx.execute(&format!("DELETE FROM {table} WHERE secret = ?"), [name]),
    }
}

/// Writes what is known of a sink.
pub(crate) fn write_sink(
    tx: &Tx<'_>,
    name: &SecretName,
    sink: &str,
    text: &str,
) -> rusqlite::Result<usize> {
    let row = [name.as_str(), sink, text];
    tx.execute("INSERT OR REPLACE INTO sink VALUES (?, ?, ?)", row)
}

fn json(state: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(state)
        .map_err(|cause| rusqlite::Error::ToSqlConversionFailure(Box::new(cause)))
}

fn state<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Stored<T>> {
    let text: String = row.get(column)?;
    let digest = Sha256::digest(&text).into();
    let state = serde_json::from_str(&text).map_err(unreadable(column))?;
    Ok(Stored { state, digest })
}
