//! Every SQL statement of the vault.
//!
//! One connection, held by the writer's thread, with an exclusive lock on the file: a second broker
//! is told so, and no shared-memory file is needed. Erased rows are overwritten, and after a removal
//! the write-ahead log is emptied, so that not even sealed values linger.
//!
//! A change of secrets is durable before its function returns (`synchronous=FULL`). Noting the log's
//! head is not (`NORMAL`): a note that is lost is made again from the log.
//!
//! Not here: keys, and what any of it means.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker_policy::SecretKind;
use broker_private_files as private;
use broker_protocol::names::SecretName;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row, params};

use crate::error::VaultError;
use crate::row_mac::SignedHead;
use crate::state::{Sealed, State, ValueChange};
use crate::values::ValueRole;

mod checks;
mod create;
mod exposures;
mod image;
mod key_record;
mod load;
pub(crate) mod minted;
mod sources;
pub(crate) mod states;
mod tunnels;
mod warnings;
mod witness;

pub(crate) use rusqlite::Transaction as Tx;

/// `tokd`, in the header of the database file.
const APPLICATION_ID: i64 = 0x746f_6b64;
/// The format that this code reads and writes.
const FORMAT: i64 = 6;
/// The oldest format that becomes this one when it is opened.
const OLDEST: i64 = 4;
const FORMAT_4: &str = include_str!("../schema.sql");
/// What format 5 has beside format 4; its MACs the first unlock makes.
const FORMAT_5: &str = include_str!("../schema-5.sql");
/// What format 6 has beside format 5.
const FORMAT_6: &str = include_str!("../schema-6.sql");
/// Whether a vault that says it has format 4 or later holds what only formats 1 and 2 made, and what only an
/// earlier tokend can renew.
const HAS_OLD_ROWS: &str = "SELECT EXISTS (SELECT 1 FROM root_key_wrap WHERE public_key IS NULL)
   OR ?1 < 5 AND EXISTS (SELECT 1 FROM root_key WHERE mac IS NULL)";

pub(crate) struct Store {
    db: Connection,
    path: PathBuf,
    /// How often the root key in force has sealed; written with all that it seals.
    pub(crate) seals: Arc<AtomicU64>,
}

impl Store {
    /// Opens the vault at `path`, checks it, and reads all of it.
    pub(crate) fn open(path: &Path) -> Result<(Self, State), VaultError> {
        private::check_file(path).map_err(|error| match error.is_not_found() {
            true => VaultError::Missing(path.to_owned()),
            false => error.into(),
        })?;
        if let Some(directory) = path.parent() {
            private::check_directory(directory)?;
        }
        match private::check_file(&beside(path, "-wal")) {
            Err(error) if error.is_not_found() => {}
            checked => checked?,
        }
        let fault = |cause| storage(path, cause);
        let db = Connection::open_with_flags(path, FLAGS).map_err(fault)?;
        db.busy_timeout(Duration::from_millis(250)).map_err(fault)?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")
            .map_err(fault)?;
        Self::opened(db, path)
    }

    /// Checks a database that is open, brings it to today's format, and reads all of it.
    fn opened(db: Connection, path: &Path) -> Result<(Self, State), VaultError> {
        let fault = |cause| storage(path, cause);
        let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if number("application_id").map_err(fault)? != APPLICATION_ID {
            return Err(VaultError::NotAVault(path.to_owned()));
        }
        let found = number("user_version").map_err(fault)?;
        if found < 1 {
            return Err(damaged(path, format!("there never was a format {found}")));
        }
        if found > FORMAT {
            return Err(VaultError::Newer {
                path: path.to_owned(),
                found,
                known: FORMAT,
            });
        }
        let path = path.to_owned();
        if found < OLDEST {
            return Err(VaultError::TooOld(path));
        }
        prepare(&db).map_err(fault)?;
        let seals = Arc::default();
        let mut store = Self { db, path, seals };
        check(&store.db, &store.path, "PRAGMA quick_check(1)")?;
        let has_old_rows = store.db.query_row(HAS_OLD_ROWS, [found], |row| row.get(0));
        if has_old_rows.map_err(|cause| store.fault(cause))? {
            return Err(VaultError::TooOld(store.path));
        }
        if found < FORMAT {
            store.durably(|tx| {
                if found < 5 {
                    tx.execute_batch(FORMAT_5)?;
                }
                tx.execute_batch(FORMAT_6)?;
                tx.pragma_update(None, "user_version", FORMAT)
            })?;
        }
        let (state, seals) = store.load().map_err(|cause| store.fault(cause))?;
        store.seals.store(seals, Ordering::Relaxed);
        // All of it is in memory now, and the pages it was read from are not needed a second time.
        let release = store.db.release_memory();
        release.map_err(|cause| store.fault(cause))?;
        Ok((store, state))
    }

    /// Gives out a version number, once.
    pub(crate) fn reserve(
        &mut self,
        name: &SecretName,
        version: u64,
        created_at: Timestamp,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.execute(
                "INSERT INTO secret VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET last_version = ?3, created_at = ?2",
                params![name.as_str(), created_at.as_microsecond(), integer(version)],
            )
        })
    }

    /// Adds a version, and writes the text of the rotation it belongs to. `turn` is of the values in use,
    /// where the change is of those.
    pub(crate) fn add_version(
        &mut self,
        name: &SecretName,
        sealed: &Sealed,
        (rotation, turn): (Option<&str>, Option<&ValueChange>),
        mark: &Mark,
    ) -> Result<(), VaultError> {
        let seals = self.seals.load(Ordering::Relaxed);
        self.durably(|tx| {
            mark.write(tx)?;
            count_seals(tx, seals)?;
            if rotation.is_some() {
                states::write_state(tx, "rotation", name, rotation)?;
            }
            tx.execute(
                "INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![
                    name.as_str(),
                    integer(sealed.version),
                    sealed.kind.map(SecretKind::as_str),
                    sealed.hashed_credential.as_str(),
                    sealed.expires_at.map(Timestamp::as_microsecond),
                    sealed.set_at.as_microsecond(),
                    sealed.envelope,
                ],
            )?;
            turn.map_or(Ok(()), |turn| exposures::turn(tx, turn))
        })
    }

    /// Erases every version of a secret, and its figures; [`Self::forget_old_rows`] is to follow, once memory
    /// knows.
    pub(crate) fn remove(
        &mut self,
        name: &SecretName,
        role: ValueRole,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            let of_all: &[_] = &["version", "last_used", "secret_check", "rotation", "sink"];
            let of_value_in_force: &[_] = match role.is_in_force() {
                true => &["first_seen", "exposure"],
                false => &[],
            };
            for table in of_all.iter().chain(of_value_in_force) {
                let delete = format!("DELETE FROM {table} WHERE secret = ?");
                tx.execute(&delete, [name.as_str()])?;
            }
            exposures::forget_before(tx, name, None)
        })
    }

    /// What was erased is still in the write-ahead log.
    fn empty_the_log(&self) -> Result<(), VaultError> {
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|cause| self.fault(cause))
    }

    /// Begins a new audit log, of which nothing has been noted. What `state` forgot goes.
    pub(crate) fn new_log(
        &mut self,
        log_id: &str,
        mark: &Mark,
        state: &State,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            witness::delete_forgotten(tx, state)?;
            tx.execute(
                "UPDATE vault SET log_id = ?, noted_records = NULL, noted_hash = NULL",
                [log_id],
            )
        })
    }

    /// From now on the database may not grow.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self) -> Result<(), VaultError> {
        self.db
            .query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))
            .map_err(|cause| self.fault(cause))
    }

    /// Reads rows, in the order of the query.
    fn rows<T, C: FromIterator<T>>(
        &self,
        query: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<C> {
        self.db.prepare(query)?.query_map([], read)?.collect()
    }

    /// Writes rows that a MAC covers, together with the MAC where there is a key for it.
    pub(crate) fn write_covered<T>(
        &mut self,
        signed_head: Option<&SignedHead>,
        write: impl FnOnce(&Tx<'_>) -> rusqlite::Result<T>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            witness::write_known(tx, signed_head)?;
            write(tx)
        })
    }

    /// Writes all of it or nothing. How many rows the last statement changed does not matter.
    fn durably<T>(
        &mut self,
        write: impl FnOnce(&Tx<'_>) -> rusqlite::Result<T>,
    ) -> Result<(), VaultError> {
        let tx = self.db.transaction();
        let done = tx.and_then(|tx| {
            write(&tx)?;
            tx.commit()
        });
        done.map_err(|cause| self.fault(cause))
    }

    fn fault(&self, cause: rusqlite::Error) -> VaultError {
        storage(&self.path, cause)
    }
}

/// What every change of the list writes besides: its count, and the MAC over the list after it.
pub(crate) struct Mark {
    pub(crate) changes: u64,
    pub(crate) mac: [u8; 32],
    /// Where rows that this covers change too.
    pub(crate) signed_head: Option<SignedHead>,
}

impl Mark {
    fn write(&self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        tx.prepare_cached("UPDATE vault SET changes = ?, list_mac = ?")?
            .execute(params![integer(self.changes), self.mac])?;
        witness::write_known(tx, self.signed_head.as_ref())
    }
}

/// Runs a statement for each of these rows.
fn for_each<P: Params>(
    tx: &Tx<'_>,
    statement: &str,
    rows: impl IntoIterator<Item = P>,
) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(statement)?;
    for row in rows {
        statement.execute(row)?;
    }
    Ok(())
}

/// Writes how often the root key has sealed, with what it has just sealed.
fn count_seals(tx: &Tx<'_>, seals: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE root_key SET seals = ?")?
        .execute([integer(seals)])?;
    Ok(())
}

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "secure_delete", true)?;
    // Everything is read once and kept elsewhere, so a small page cache is enough: 256 KiB.
    db.pragma_update(None, "cache_size", -256)?;
    // Deferred constraints, temporary tables: nothing of a vault goes to /tmp.
    db.pragma_update(None, "temp_store", "MEMORY")
}

fn storage(path: &Path, cause: rusqlite::Error) -> VaultError {
    let path = path.to_owned();
    match &cause {
        rusqlite::Error::SqliteFailure(error, said) => match error.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => VaultError::InUse(path),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                damaged(&path, said.clone().unwrap_or_else(|| error.to_string()))
            }
            _ => VaultError::Storage { path, cause },
        },
        // No row in `vault`, or a column that holds what it never should.
        rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..) => damaged(&path, cause.to_string()),
        _ => VaultError::Storage { path, cause },
    }
}

/// Asks SQLite whether the database is sound.
fn check(db: &Connection, path: &Path, pragma: &str) -> Result<(), VaultError> {
    let said = db.query_row(pragma, [], |row| row.get(0));
    let said: String = said.map_err(|cause| storage(path, cause))?;
    match said == "ok" {
        true => Ok(()),
        false => Err(damaged(path, said)),
    }
}

fn damaged(path: &Path, why: String) -> VaultError {
    let path = path.to_owned();
    VaultError::Damaged { path, why }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Counts stay far below 2^63; one that did not would be refused when read back.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(-1)
}
