//! Who was handed which value, as rows: of the values in use, and of those before them that are kept.

use std::collections::BTreeMap;

use broker_protocol::api::Exposure;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use rusqlite::params;

use super::load::{count, name, parsed, time};
use super::{Store, Tx, integer};
use crate::state::{ExposedTo, ValueChange};

impl Store {
    pub(super) fn exposures(&self) -> rusqlite::Result<BTreeMap<ExposedTo, Exposure>> {
        self.rows(
            "SELECT secret, NULL, uid, purpose, last, leases FROM exposure UNION ALL
             SELECT secret, hashed_credential, uid, purpose, last, leases FROM exposure_before",
            |row| {
                let exposure = Exposure {
                    uid: row.get(2)?,
                    purpose: parsed(row, 3)?,
                    last: time(row, 4)?,
                    leases: count(row, 5)?,
                };
                let before: Option<String> = row.get(1)?;
                let before = before.as_deref().map(HashedToken::from_stored);
                let (uid, purpose) = (exposure.uid, exposure.purpose.clone());
                Ok(((name(row, 0)?, before, uid, purpose), exposure))
            },
        )
    }
}

/// Writes what was counted.
pub(super) fn write<'a>(
    tx: &Tx<'_>,
    exposed: impl Iterator<Item = (&'a ExposedTo, &'a Exposure)>,
) -> rusqlite::Result<()> {
    let mut in_use = tx.prepare_cached("INSERT OR REPLACE INTO exposure VALUES (?, ?, ?, ?, ?)")?;
    let mut earlier =
        tx.prepare_cached("INSERT OR REPLACE INTO exposure_before VALUES (?, ?, ?, ?, ?, ?)")?;
    for ((name, before, uid, purpose), exposure) in exposed {
        let (name, purpose) = (name.as_str(), purpose.as_str());
        let (last, leases) = (exposure.last.as_microsecond(), integer(exposure.leases));
        match before.as_ref().map(HashedToken::as_str) {
            None => in_use.execute(params![name, uid, purpose, last, leases])?,
            Some(hash) => earlier.execute(params![name, hash, uid, purpose, last, leases])?,
        };
    }
    Ok(())
}

/// Another value comes into use: who was handed the one before is set aside under its hash, and who was
/// handed this one, if it was in use before, counts again.
pub(super) fn turn(tx: &Tx<'_>, turn: &ValueChange) -> rusqlite::Result<()> {
    let (name, to) = (turn.secret.as_str(), turn.to.as_str());
    if let Some(from) = &turn.from {
        tx.execute(
            "INSERT OR REPLACE INTO exposure_before
               SELECT secret, ?2, uid, purpose, last, leases FROM exposure WHERE secret = ?1",
            [name, from.as_str()],
        )?;
    }
    tx.execute("DELETE FROM exposure WHERE secret = ?", [name])?;
    tx.execute(
        "INSERT INTO exposure SELECT secret, uid, purpose, last, leases
           FROM exposure_before WHERE secret = ? AND hashed_credential = ?",
        [name, to],
    )?;
    tx.execute(
        "DELETE FROM exposure_before WHERE secret = ? AND hashed_credential = ?",
        [name, to],
    )?;
    Ok(())
}

/// Values were erased, all but the one of this hash.
pub(super) fn forget_before(
    tx: &Tx<'_>,
    name: &SecretName,
    keep: Option<&HashedToken>,
) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM exposure_before WHERE secret = ? AND hashed_credential IS NOT ?",
        params![name.as_str(), keep.map(HashedToken::as_str)],
    )
}
