//! Reading all of the vault at start. What this version never writes is damage, and never a panic.

use std::collections::{BTreeMap, HashMap};

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use super::Store;
use crate::state::{Figures, List, Sealed, Secret, State};
use crate::{Kind, LogIdentity};

impl Store {
    /// Also how often the root key has sealed.
    pub(super) fn load(&self) -> Result<(State, u64), rusqlite::Error> {
        let (custody, seals) = self.custody()?;
        let secrets = self.secrets()?;
        let figures = self.figures()?;
        let tombstones = self.tombstones("tombstone")?;
        let late_tombstones = self.tombstones("late_tombstone")?;
        let vouched = self.vouched()?;
        let minted = self.minted()?;
        let repositories = self.repositories()?;
        let checks = self.checks()?;
        let first_seen = self.first_seen()?;
        let (rotations, sinks, moves) = (self.rotations()?, self.sinks()?, self.moves()?);
        self.db.query_row(
            "SELECT log_id, log_public_key, changes, list_mac, noted_records, noted_hash FROM vault",
            [],
            |row| {
                let noted = super::witness::head(row, 4)?;
                let log = LogIdentity {
                    log_id: row.get(0)?,
                    public_key: row.get(1)?,
                };
                let list = List {
                    secrets,
                    log,
                    changes: count(row, 2)?,
                    mac: row.get(3)?,
                };
                let state = State {
                    custody,
                    list,
                    figures,
                    checks,
                    noted,
                    vouched,
                    tombstones,
                    late_tombstones,
                    minted,
                    repositories,
                    rotations,
                    first_seen,
                    moves,
                    sinks,
                };
                Ok((state, seals))
            },
        )
    }

    fn secrets(&self) -> Result<BTreeMap<SecretName, Secret>, rusqlite::Error> {
        let mut secrets = Vec::new();
        let mut statement = self
            .db
            .prepare("SELECT name, created_at, last_version FROM secret ORDER BY name")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let secret = Secret {
                created_at: time(row, 1)?,
                last_version: count(row, 2)?,
                versions: Vec::new(),
            };
            secrets.push((name(row, 0)?, secret));
        }
        // At once, which fills the map's nodes; one after another in order leaves them half empty.
        let mut secrets: BTreeMap<_, _> = secrets.into_iter().collect();
        let mut statement = self.db.prepare(
            "SELECT secret, version, kind, hashed_credential, expires_at, set_at, envelope
             FROM version ORDER BY secret, version",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind: Option<String> = row.get(2)?;
            let kind = match kind.as_deref() {
                None => None,
                Some(word) => Some(Kind::from_word(word).ok_or_else(|| unreadable(2)(Unexpected))?),
            };
            let expires_at: Option<i64> = row.get(4)?;
            let hashed_credential: String = row.get(3)?;
            let sealed = Sealed {
                version: count(row, 1)?,
                kind,
                hashed_credential: HashedToken::from_stored(&hashed_credential),
                expires_at: expires_at.map(|at| moment(at, 4)).transpose()?,
                set_at: time(row, 5)?,
                envelope: row.get(6)?,
            };
            let secret = secrets.get_mut(&name(row, 0)?);
            secret.ok_or_else(|| unreadable(0)(Unexpected))?.add(sealed);
        }
        Ok(secrets)
    }

    fn figures(&self) -> Result<Figures, rusqlite::Error> {
        let mut last_used = HashMap::new();
        let mut statement = self.db.prepare("SELECT secret, at FROM last_used")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            last_used.insert(name(row, 0)?, time(row, 1)?);
        }
        Ok(Figures {
            last_used,
            exposures: self.exposures()?,
            exposed_before: self.exposures_before()?,
        })
    }
}

pub(super) fn name(row: &Row<'_>, column: usize) -> Result<SecretName, rusqlite::Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(unreadable(column))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, rusqlite::Error> {
    moment(row.get(column)?, column)
}

pub(super) fn moment(micros: i64, column: usize) -> Result<Timestamp, rusqlite::Error> {
    Timestamp::from_microsecond(micros).map_err(unreadable(column))
}

pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(unreadable(column))
}

pub(super) fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    column: usize,
) -> impl FnOnce(E) -> rusqlite::Error {
    move |cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
}

/// A word in the database that this version does not know, or a row without the one it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("an unexpected word or row")]
pub(super) struct Unexpected;
