//! Reading all of the vault at start. What this version never writes is damage, and never a panic.

use std::collections::BTreeMap;
use std::str::FromStr;

use broker_policy::SecretKind;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use super::Store;
use crate::LogIdentity;
use crate::state::{Figures, List, Sealed, Secret, State};

impl Store {
    /// Also how often the root key has sealed.
    pub(super) fn load(&self) -> rusqlite::Result<(State, u64)> {
        let (key_record, seals) = self.key_record()?;
        self.db.query_row(
            "SELECT log_id, log_public_key, changes, list_mac, noted_records, noted_hash FROM vault",
            [],
            |row| {
                let log = LogIdentity {
                    log_id: row.get(0)?,
                    public_key: row.get(1)?,
                };
                let secrets = self.secrets()?;
                let first_seen = self.first_seen(&secrets)?;
                let list = List {
                    secrets,
                    log,
                    changes: count(row, 2)?,
                    mac: row.get(3)?,
                };
                let state = State {
                    key_record,
                    list,
                    figures: self.figures()?,
                    checks: self.checks()?,
                    noted: super::witness::head(row, 4)?,
                    signed_head: self.signed_head()?,
                    tombstones: self.tombstones("tombstone")?,
                    late_tombstones: self.tombstones("late_tombstone")?,
                    minted: self.minted()?,
                    repositories: self.repositories()?,
                    rotations: self.states("rotation")?,
                    first_seen,
                    moves: self.states("secret_move")?,
                    sinks: self.sinks()?,
                };
                Ok((state, seals))
            },
        )
    }

    fn secrets(&self) -> rusqlite::Result<BTreeMap<SecretName, Secret>> {
        // At once, which fills the map's nodes; one after another in order leaves them half empty.
        let mut secrets: BTreeMap<_, _> = self.rows(
            "SELECT name, created_at, last_version FROM secret ORDER BY name",
            |row| {
                let secret = Secret {
                    created_at: time(row, 1)?,
                    last_version: count(row, 2)?,
                    versions: Vec::new(),
                };
                Ok((name(row, 0)?, secret))
            },
        )?;
        self.rows::<_, ()>(
            "SELECT secret, version, kind, hashed_credential, expires_at, set_at, envelope
             FROM version ORDER BY secret, version",
            |row| {
                let secret = secrets.get_mut(&name(row, 0)?);
                word(0, secret)?.add(sealed(row)?);
                Ok(())
            },
        )?;
        Ok(secrets)
    }

    fn figures(&self) -> rusqlite::Result<Figures> {
        Ok(Figures {
            last_used: self.rows("SELECT secret, at FROM last_used", |row| {
                Ok((name(row, 0)?, time(row, 1)?))
            })?,
            exposures: self.exposures()?,
        })
    }
}

/// A version, but for the name of its secret.
fn sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    let kind: Option<String> = row.get(2)?;
    Ok(Sealed {
        version: count(row, 1)?,
        kind: kind
            .map(|kind| word(2, SecretKind::from_word(&kind)))
            .transpose()?,
        hashed_credential: hashed(row, 3)?,
        expires_at: time_or_none(row, 4)?,
        set_at: time(row, 5)?,
        envelope: row.get(6)?,
    })
}

/// A text of which the type itself knows the form.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(unreadable(column))
}

pub(super) fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<SecretName> {
    parsed(row, column)
}

pub(super) fn hashed(row: &Row<'_>, column: usize) -> rusqlite::Result<HashedToken> {
    let text: String = row.get(column)?;
    Ok(HashedToken::from_stored(&text))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(unreadable(column))
}

pub(super) fn time_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let micros: Option<i64> = row.get(column)?;
    micros.map(|_| time(row, column)).transpose()
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(unreadable(column))
}

pub(super) fn count_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|_| count(row, column)).transpose()
}

pub(super) fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    column: usize,
) -> impl FnOnce(E) -> rusqlite::Error {
    move |cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
}

/// What a word in this column means, or the row it names; an error if neither is known.
pub(super) fn word<T>(column: usize, known: Option<T>) -> rusqlite::Result<T> {
    known.ok_or_else(|| unreadable(column)(Unexpected))
}

/// A word in the database that this version does not know, or a row without the one it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("an unexpected word or row")]
struct Unexpected;
