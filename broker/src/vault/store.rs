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

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_audit::chain::{Head, LineHash};
use broker_protocol::api::Exposure;
use broker_protocol::names::{LeaseId, SecretName};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params};

use super::error::VaultError;
use super::keys::SealedKeys;
use super::private;
use super::root_key::{RootKeySource, Wrap};
use super::state::{ExposedTo, Figures, List, Sealed, Secret, State};
use super::{Kind, LogIdentity};
use crate::token::HashedToken;

/// `tokd`, in the header of the database file.
const APPLICATION_ID: i64 = 0x746f_6b64;
/// The format that this code reads and writes.
const FORMAT: i64 = 1;

pub(super) struct Store {
    db: Connection,
    path: PathBuf,
}

/// What never changes while a vault is open.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    pub(super) source: RootKeySource,
    pub(super) keys: SealedKeys,
    pub(super) passphrase: Option<Wrap>,
    pub(super) recovery: Option<Wrap>,
}

impl Store {
    /// Builds a new vault beside `path` and puts it there whole, or not at all.
    pub(super) fn create(
        path: &Path,
        fixed: &Fixed,
        list: &List,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let unfinished = path.with_extension("db.new");
        for leftover in [unfinished.clone(), beside(&unfinished, "-journal")] {
            match std::fs::remove_file(&leftover) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(private::PrivateError::io(&leftover)(error).into());
                }
                _ => {}
            }
        }
        private::write_new(&unfinished, b"")?;
        Self::build(&unfinished, fixed, list, now).map_err(|e| storage(path, e))?;
        // A link, unlike a rename, does not replace what is there.
        std::fs::hard_link(&unfinished, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => VaultError::Exists(path.to_owned()),
            _ => private::PrivateError::io(path)(error).into(),
        })?;
        std::fs::remove_file(&unfinished).map_err(private::PrivateError::io(&unfinished))?;
        Ok(private::sync_directory_of(path)?)
    }

    fn build(
        path: &Path,
        fixed: &Fixed,
        list: &List,
        now: Timestamp,
    ) -> Result<(), rusqlite::Error> {
        let mut db = Connection::open_with_flags(path, FLAGS)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let tx = db.transaction()?;
        tx.execute_batch(include_str!("schema.sql"))?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
        tx.execute(
            "INSERT INTO vault VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            params![
                fixed.keys.vault_id,
                now.as_microsecond(),
                fixed.source.to_stored(),
                fixed.keys.root_version,
                fixed.keys.check,
                fixed.keys.mac,
                list.log.log_id,
                list.log.public_key,
                fixed.keys.log_seed,
                integer(list.changes),
                list.mac,
            ],
        )?;
        for (kind, wrap) in [
            ("passphrase", &fixed.passphrase),
            ("recovery", &fixed.recovery),
        ] {
            if let Some(wrap) = wrap {
                tx.execute(
                    "INSERT INTO root_key_wrap VALUES (?, ?, ?, ?, ?)",
                    params![kind, wrap.salt, wrap.memory_kib, wrap.passes, wrap.sealed],
                )?;
            }
        }
        tx.commit()?;
        db.close().map_err(|(_, error)| error)
    }

    /// Opens the vault at `path`, checks it, and reads all of it.
    pub(super) fn open(path: &Path) -> Result<(Self, Fixed, State), VaultError> {
        match private::check_file(path) {
            Err(error) if error.is_not_found() => {
                return Err(VaultError::Missing(path.to_owned()));
            }
            checked => checked?,
        }
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
        let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if number("application_id").map_err(fault)? != APPLICATION_ID {
            return Err(VaultError::NotAVault(path.to_owned()));
        }
        let found = number("user_version").map_err(fault)?;
        if found < FORMAT {
            return Err(VaultError::Damaged {
                path: path.to_owned(),
                why: format!("there never was a format {found}"),
            });
        }
        if found > FORMAT {
            return Err(VaultError::Newer {
                path: path.to_owned(),
                found,
                known: FORMAT,
            });
        }
        prepare(&db).map_err(fault)?;
        let path = path.to_owned();
        let store = Self { db, path };
        store.check()?;
        let (fixed, state) = store.load().map_err(|cause| store.fault(cause))?;
        Ok((store, fixed, state))
    }

    fn check(&self) -> Result<(), VaultError> {
        let said: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|cause| self.fault(cause))?;
        if said == "ok" {
            return Ok(());
        }
        Err(VaultError::Damaged {
            path: self.path.clone(),
            why: said,
        })
    }

    fn load(&self) -> Result<(Fixed, State), rusqlite::Error> {
        let wrap = |kind: &str| {
            self.db
                .query_row(
                    "SELECT salt, memory_kib, passes, sealed FROM root_key_wrap WHERE kind = ?",
                    [kind],
                    |row| {
                        Ok(Wrap {
                            salt: row.get(0)?,
                            memory_kib: row.get(1)?,
                            passes: row.get(2)?,
                            sealed: row.get(3)?,
                        })
                    },
                )
                .optional()
        };
        let (passphrase, recovery) = (wrap("passphrase")?, wrap("recovery")?);
        let secrets = self.secrets()?;
        let figures = self.figures()?;
        let tombstones = self.tombstones()?;
        self.db.query_row(
            "SELECT id, root_key_source, root_key_version, key_check, mac_key, log_seed,
                    log_id, log_public_key, changes, list_mac, noted_records, noted_hash
             FROM vault",
            [],
            |row| {
                let source: String = row.get(1)?;
                let fixed = Fixed {
                    source: RootKeySource::from_stored(&source)
                        .ok_or_else(|| unreadable(1)(Unexpected))?,
                    keys: SealedKeys {
                        vault_id: row.get(0)?,
                        root_version: row.get(2)?,
                        check: row.get(3)?,
                        mac: row.get(4)?,
                        log_seed: row.get(5)?,
                    },
                    passphrase,
                    recovery,
                };
                let hash: Option<[u8; 32]> = row.get(11)?;
                let noted = match hash {
                    None => None,
                    Some(hash) => Some(Head {
                        records: count(row, 10)?,
                        hash: LineHash::from_bytes(hash),
                    }),
                };
                let log = LogIdentity {
                    log_id: row.get(6)?,
                    public_key: row.get(7)?,
                };
                let list = List {
                    secrets,
                    log,
                    changes: count(row, 8)?,
                    mac: row.get(9)?,
                };
                let state = State {
                    list,
                    figures,
                    noted,
                    tombstones,
                };
                Ok((fixed, state))
            },
        )
    }

    fn secrets(&self) -> Result<BTreeMap<SecretName, Secret>, rusqlite::Error> {
        let mut secrets = BTreeMap::new();
        let mut statement = self
            .db
            .prepare("SELECT name, created_at, last_version FROM secret")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let secret = Secret {
                created_at: time(row, 1)?,
                last_version: count(row, 2)?,
                versions: Vec::new(),
            };
            secrets.insert(name(row, 0)?, secret);
        }
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
            secret
                .ok_or_else(|| unreadable(0)(Unexpected))?
                .versions
                .push(sealed);
        }
        for secret in secrets.values_mut() {
            secret.versions.shrink_to_fit();
        }
        Ok(secrets)
    }

    fn figures(&self) -> Result<Figures, rusqlite::Error> {
        let mut figures = Figures::default();
        let mut statement = self.db.prepare("SELECT secret, at FROM last_used")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            figures.last_used.insert(name(row, 0)?, time(row, 1)?);
        }
        let mut statement = self
            .db
            .prepare("SELECT secret, uid, purpose, last, leases FROM exposure")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let purpose: String = row.get(2)?;
            let exposure = Exposure {
                uid: row.get(1)?,
                purpose: purpose.parse().map_err(unreadable(2))?,
                last: time(row, 3)?,
                leases: count(row, 4)?,
            };
            let key = (name(row, 0)?, exposure.uid, exposure.purpose.clone());
            figures.exposures.insert(key, exposure);
        }
        Ok(figures)
    }

    fn tombstones(&self) -> Result<HashMap<LeaseId, Timestamp>, rusqlite::Error> {
        let mut statement = self.db.prepare("SELECT lease, until FROM tombstone")?;
        let mut rows = statement.query([])?;
        let mut tombstones = HashMap::new();
        while let Some(row) = rows.next()? {
            let lease: String = row.get(0)?;
            let lease = lease.parse().map_err(unreadable(0))?;
            tombstones.insert(lease, time(row, 1)?);
        }
        Ok(tombstones)
    }

    /// Gives out a version number, once.
    pub(super) fn reserve(
        &mut self,
        name: &SecretName,
        version: u64,
        created_at: Timestamp,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.prepare_cached(
                "INSERT INTO secret VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET last_version = ?3, created_at = ?2",
            )?
            .execute(params![
                name.as_str(),
                created_at.as_microsecond(),
                integer(version)
            ])?;
            Ok(())
        })
    }

    /// Adds a version; whoever was handed the one before is exposed to an old value only.
    pub(super) fn add_version(
        &mut self,
        name: &SecretName,
        sealed: &Sealed,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.prepare_cached("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?)")?
                .execute(params![
                    name.as_str(),
                    integer(sealed.version),
                    sealed.kind.map(Kind::as_str),
                    sealed.hashed_credential.as_str(),
                    sealed.expires_at.map(Timestamp::as_microsecond),
                    sealed.set_at.as_microsecond(),
                    sealed.envelope,
                ])?;
            tx.execute("DELETE FROM exposure WHERE secret = ?", [name.as_str()])?;
            Ok(())
        })
    }

    /// Erases every version of a secret, and its figures.
    pub(super) fn remove(&mut self, name: &SecretName, mark: &Mark) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.execute("DELETE FROM version WHERE secret = ?", [name.as_str()])?;
            tx.execute("DELETE FROM exposure WHERE secret = ?", [name.as_str()])?;
            tx.execute("DELETE FROM last_used WHERE secret = ?", [name.as_str()])?;
            Ok(())
        })?;
        // What was erased still lies in the write-ahead log.
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|cause| self.fault(cause))
    }

    /// Begins a new audit log, of which nothing has been noted.
    pub(super) fn new_log(&mut self, log_id: &str, mark: &Mark) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.execute(
                "UPDATE vault SET log_id = ?, noted_records = NULL, noted_hash = NULL",
                [log_id],
            )?;
            Ok(())
        })
    }

    /// Keeps tombstones, and drops those whose time is past.
    pub(super) fn bury(
        &mut self,
        leases: &[(LeaseId, Timestamp)],
        now: Timestamp,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            tx.execute(
                "DELETE FROM tombstone WHERE until < ?",
                [now.as_microsecond()],
            )?;
            let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO tombstone VALUES (?, ?)")?;
            for (lease, until) in leases {
                insert.execute(params![lease.as_str(), until.as_microsecond()])?;
            }
            Ok(())
        })
    }

    /// Notes the head of the audit log together with the figures that its records led to. Survives a
    /// crash of the broker, but not always one of the machine.
    pub(super) fn note<'a>(
        &mut self,
        head: Head,
        used: impl Iterator<Item = (&'a SecretName, Timestamp)>,
        exposed: impl Iterator<Item = (&'a ExposedTo, &'a Exposure)>,
    ) -> Result<(), VaultError> {
        let write = |tx: &rusqlite::Transaction<'_>| {
            tx.prepare_cached("UPDATE vault SET noted_records = ?, noted_hash = ?")?
                .execute(params![integer(head.records), head.hash.as_bytes()])?;
            let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO last_used VALUES (?, ?)")?;
            for (name, at) in used {
                insert.execute(params![name.as_str(), at.as_microsecond()])?;
            }
            let mut insert =
                tx.prepare_cached("INSERT OR REPLACE INTO exposure VALUES (?, ?, ?, ?, ?)")?;
            for ((name, uid, purpose), exposure) in exposed {
                insert.execute(params![
                    name.as_str(),
                    uid,
                    purpose.as_str(),
                    exposure.last.as_microsecond(),
                    integer(exposure.leases),
                ])?;
            }
            Ok(())
        };
        let synchronous = |db: &Connection, how| db.pragma_update(None, "synchronous", how);
        synchronous(&self.db, "NORMAL").map_err(|cause| self.fault(cause))?;
        let noted = self.durably(write);
        synchronous(&self.db, "FULL").map_err(|cause| self.fault(cause))?;
        noted
    }

    /// From now on the database may not grow.
    #[cfg(test)]
    pub(super) fn limit_pages(&self) -> Result<(), VaultError> {
        self.db
            .query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))
            .map_err(|cause| self.fault(cause))
    }

    fn durably(
        &mut self,
        write: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), rusqlite::Error>,
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
pub(super) struct Mark {
    pub(super) changes: u64,
    pub(super) mac: [u8; 32],
}

impl Mark {
    fn write(&self, tx: &rusqlite::Transaction<'_>) -> Result<(), rusqlite::Error> {
        tx.prepare_cached("UPDATE vault SET changes = ?, list_mac = ?")?
            .execute(params![integer(self.changes), self.mac])?;
        Ok(())
    }
}

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn prepare(db: &Connection) -> Result<(), rusqlite::Error> {
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
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => VaultError::Damaged {
                path,
                why: said.clone().unwrap_or_else(|| error.to_string()),
            },
            _ => VaultError::Storage { path, cause },
        },
        // No row in `vault`, or a column that holds what it never should.
        rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..) => VaultError::Damaged {
            path,
            why: cause.to_string(),
        },
        _ => VaultError::Storage { path, cause },
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn name(row: &Row<'_>, column: usize) -> Result<SecretName, rusqlite::Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(unreadable(column))
}

fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, rusqlite::Error> {
    moment(row.get(column)?, column)
}

fn moment(micros: i64, column: usize) -> Result<Timestamp, rusqlite::Error> {
    Timestamp::from_microsecond(micros).map_err(unreadable(column))
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(unreadable(column))
}

/// Counts stay far below 2^63; one that did not would be refused when read back.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(-1)
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(
    column: usize,
) -> impl FnOnce(E) -> rusqlite::Error {
    move |cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
}

/// A word in the database that this version does not know, or a row without the one it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("an unexpected word or row")]
struct Unexpected;
