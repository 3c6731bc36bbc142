//! Who was handed which value, as rows: of the values in use, and of those before them that are kept.

use std::collections::BTreeMap;

use broker_protocol::api::Exposure;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::load::{count, hashed, name, time, unreadable};
use super::{Store, Tx, integer};
use crate::state::{ExposedBefore, ExposedTo, ValueChange};

impl Store {
    pub(super) fn exposures(&self) -> rusqlite::Result<BTreeMap<ExposedTo, Exposure>> {
        self.rows(
            "SELECT secret, uid, purpose, last, leases FROM exposure",
            |row| {
                let exposure = exposure(row, 1)?;
                let key = (name(row, 0)?, exposure.uid, exposure.purpose.clone());
                Ok((key, exposure))
            },
        )
    }

    pub(super) fn exposures_before(&self) -> rusqlite::Result<BTreeMap<ExposedBefore, Exposure>> {
        self.rows(
            "SELECT secret, hashed_credential, uid, purpose, last, leases FROM exposure_before",
            |row| {
                let exposure = exposure(row, 2)?;
                let (uid, purpose) = (exposure.uid, exposure.purpose.clone());
                Ok(((name(row, 0)?, hashed(row, 1)?, uid, purpose), exposure))
            },
        )
    }
}

/// An exposure, from this column on.
fn exposure(row: &Row<'_>, at: usize) -> rusqlite::Result<Exposure> {
    let purpose: String = row.get(at + 1)?;
    Ok(Exposure {
        uid: row.get(at)?,
        purpose: purpose.parse().map_err(unreadable(at + 1))?,
        last: time(row, at + 2)?,
        leases: count(row, at + 3)?,
    })
}

/// Writes what was counted.
pub(super) fn write<'a>(
    tx: &Tx<'_>,
    exposed: impl Iterator<Item = (&'a ExposedTo, &'a Exposure)>,
    before: impl Iterator<Item = (&'a ExposedBefore, &'a Exposure)>,
) -> rusqlite::Result<()> {
    let micros = Timestamp::as_microsecond;
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO exposure VALUES (?, ?, ?, ?, ?)")?;
    for ((name, uid, purpose), exposure) in exposed {
        let (last, leases) = (micros(exposure.last), integer(exposure.leases));
        insert.execute(params![name.as_str(), uid, purpose.as_str(), last, leases])?;
    }
    let mut insert =
        tx.prepare_cached("INSERT OR REPLACE INTO exposure_before VALUES (?, ?, ?, ?, ?, ?)")?;
    for ((name, hashed, uid, purpose), exposure) in before {
        let (last, leases) = (micros(exposure.last), integer(exposure.leases));
        let (name, hashed, purpose) = (name.as_str(), hashed.as_str(), purpose.as_str());
        insert.execute(params![name, hashed, uid, purpose, last, leases])?;
    }
    Ok(())
}

/// Another value comes into use: who was handed the one before is set aside under its hash, and who was
/// handed this one, if it was in use before, counts again.
pub(super) fn turn(tx: &Tx<'_>, name: &SecretName, turn: &ValueChange) -> rusqlite::Result<()> {
    let (name, to) = (name.as_str(), turn.to.as_str());
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
) -> rusqlite::Result<()> {
    tx.execute(
        "DELETE FROM exposure_before WHERE secret = ? AND hashed_credential IS NOT ?",
        params![name.as_str(), keep.map(HashedToken::as_str)],
    )?;
    Ok(())
}

/// Nothing of the secret is in use any more.
pub(super) fn forget(tx: &Tx<'_>, name: &SecretName) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM exposure WHERE secret = ?", [name.as_str()])?;
    Ok(())
}
