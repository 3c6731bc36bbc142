//! The noted head, the tombstones, and the MAC over what decides after a start, as rows.

use std::collections::HashMap;

use broker_audit::chain::{Head, LineHash};
use broker_protocol::api::Exposure;
use broker_protocol::names::{LeaseId, SecretName};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::load::{count, parsed, time};
use super::{Mark, Store, Tx, exposures, for_each, integer};
use crate::error::VaultError;
use crate::row_mac::{NewTombstones, SignedHead};
use crate::state::{ExposedTo, State};

impl Store {
    /// Keeps tombstones, and drops those whose time is past. `signed_head` covers what is left.
    pub(crate) fn write_tombstones(
        &mut self,
        new: &NewTombstones,
        signed_head: &SignedHead,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            write_tombstones(tx, "tombstone", new)?;
            write(tx, signed_head)
        })
    }

    /// The same without a key: beside those that the MAC covers.
    pub(crate) fn write_late_tombstones(&mut self, new: &NewTombstones) -> Result<(), VaultError> {
        self.durably(|tx| write_tombstones(tx, "late_tombstone", new))
    }

    /// Notes the head of the audit log, with the MAC over it where there is a key, together with the figures
    /// that its records led to. Survives a crash of the broker, but not always one of the machine.
    pub(crate) fn note<'a>(
        &mut self,
        head: Head,
        signed_head: Option<&SignedHead>,
        used: impl Iterator<Item = (&'a SecretName, &'a Timestamp)>,
        exposed: impl Iterator<Item = (&'a ExposedTo, &'a Exposure)>,
    ) -> Result<(), VaultError> {
        let note = |tx: &Tx<'_>| {
            tx.prepare_cached("UPDATE vault SET noted_records = ?, noted_hash = ?")?
                .execute(params![integer(head.records), head.hash.as_bytes()])?;
            write_known(tx, signed_head)?;
            let used = used.map(|(name, at)| (name.as_str(), at.as_microsecond()));
            for_each(tx, "INSERT OR REPLACE INTO last_used VALUES (?, ?)", used)?;
            exposures::write(tx, exposed)
        };
        let synchronous = |db: &Connection, how| db.pragma_update(None, "synchronous", how);
        synchronous(&self.db, "NORMAL").map_err(|cause| self.fault(cause))?;
        let noted = self.durably(note);
        synchronous(&self.db, "FULL").map_err(|cause| self.fault(cause))?;
        noted
    }

    /// Puts all that decides after a start under MACs of today, and takes late tombstones in. What `state`
    /// forgot goes. `mark` is of a list that has a MAC of an earlier format.
    pub(crate) fn sign(
        &mut self,
        signed_head: &SignedHead,
        mark: Option<&Mark>,
        state: &State,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            delete_forgotten(tx, state)?;
            tx.execute_batch(
                "INSERT INTO tombstone SELECT lease, until FROM late_tombstone WHERE true
                   ON CONFLICT (lease) DO UPDATE SET until = max(until, excluded.until);
                 DELETE FROM late_tombstone",
            )?;
            write(tx, signed_head)?;
            mark.map_or(Ok(()), |mark| mark.write(tx))
        })
    }

    pub(super) fn signed_head(&self) -> rusqlite::Result<Option<SignedHead>> {
        let row = self
            .db
            .query_row("SELECT records, hash, mac FROM witness", [], |row| {
                Ok(SignedHead {
                    head: head(row, 0)?,
                    mac: row.get(2)?,
                })
            });
        row.optional()
    }

    pub(super) fn tombstones(
        &self,
        table: &'static str,
    ) -> rusqlite::Result<HashMap<LeaseId, Timestamp>> {
        self.rows(&format!("SELECT lease, until FROM {table}"), |row| {
            Ok((parsed(row, 0)?, time(row, 1)?))
        })
    }
}

fn write_tombstones(tx: &Tx<'_>, table: &'static str, new: &NewTombstones) -> rusqlite::Result<()> {
    let past = new.now.as_microsecond();
    tx.execute(&format!("DELETE FROM {table} WHERE until < ?"), [past])?;
    let rows = new.leases.iter();
    let rows = rows.map(|(lease, until)| (lease.as_str(), until.as_microsecond()));
    for_each(
        tx,
        &format!("INSERT OR REPLACE INTO {table} VALUES (?, ?)"),
        rows,
    )
}

/// Writes what a MAC covers from now on.
pub(super) fn write(tx: &Tx<'_>, signed_head: &SignedHead) -> rusqlite::Result<()> {
    let SignedHead { head, mac } = signed_head;
    tx.prepare_cached("INSERT OR REPLACE INTO witness VALUES (1, ?, ?, ?)")?
        .execute(params![
            head.map(|head| integer(head.records)),
            head.as_ref().map(|head| head.hash.as_bytes()),
            mac,
        ])?;
    Ok(())
}

/// The same, where there is a key.
pub(super) fn write_known(tx: &Tx<'_>, signed_head: Option<&SignedHead>) -> rusqlite::Result<()> {
    signed_head.map_or(Ok(()), |signed_head| write(tx, signed_head))
}

/// Deletes what memory forgot because another program may have written it.
pub(super) fn delete_forgotten(tx: &Tx<'_>, state: &State) -> rusqlite::Result<()> {
    let of_secrets = |names: Vec<&str>| serde_json::json!(names).to_string();
    let rotations = state.rotations.keys().map(SecretName::as_str).collect();
    let moves = state.moves.keys().map(SecretName::as_str).collect();
    let repositories = state.repositories.keys().map(|name| &**name).collect();
    let sinks = state.sinks.iter().flat_map(|(secret, sinks)| {
        // No secret's name has a slash.
        sinks.keys().map(move |sink| format!("{secret}/{sink}"))
    });
    let sinks: Vec<_> = sinks.collect();
    let sinks = sinks.iter().map(String::as_str).collect();
    for (table, key, kept) in [
        ("rotation", "secret", rotations),
        ("secret_move", "secret", moves),
        ("repository", "name", repositories),
        ("sink", "secret || '/' || sink", sinks),
    ] {
        tx.execute(
            &format!("DELETE FROM {table} WHERE {key} NOT IN (SELECT value FROM json_each(?))"),
            [of_secrets(kept)],
        )?;
    }
    Ok(())
}

/// A head in two columns.
pub(super) fn head(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Head>> {
    let hash: Option<[u8; 32]> = row.get(column + 1)?;
    let Some(hash) = hash else { return Ok(None) };
    Ok(Some(Head {
        records: count(row, column)?,
        hash: LineHash::from_bytes(hash),
    }))
}
