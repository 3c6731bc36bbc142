//! Where the root key is kept, in the database, and its change: one transaction for all that is sealed.

use std::sync::atomic::Ordering;

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use rusqlite::{OptionalExtension as _, params};

use super::load::{count, time, unreadable, word};
use super::{Store, Tx, integer};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::SealedKeys;
use crate::rekey::Change;
use crate::root_key::{RootKeySource, Wrap};

impl Store {
    /// Writes the record as it is, durably.
    pub(crate) fn write_key_record(&mut self, key_record: &KeyRecord) -> Result<(), VaultError> {
        let seals = self.seals.load(Ordering::Relaxed);
        self.durably(|tx| write(tx, key_record, seals))
    }

    /// Puts all that is sealed under the next root key in place of what is there: all rows or none.
    /// Old data keys do not linger in the write-ahead log.
    pub(crate) fn rekey<'a>(
        &mut self,
        key_record: &KeyRecord,
        seals: u64,
        versions: impl Iterator<Item = (&'a SecretName, u64, &'a [u8])>,
        minted: impl Iterator<Item = (&'a HashedToken, &'a [u8])>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            write(tx, key_record, seals)?;
            let mut update = tx.prepare_cached(
                "UPDATE version SET envelope = ? WHERE secret = ? AND version = ?",
            )?;
            for (name, version, envelope) in versions {
                one(update.execute(params![envelope, name.as_str(), integer(version)])?)?;
            }
            let mut update =
                tx.prepare_cached("UPDATE minted SET envelope = ? WHERE hashed_credential = ?")?;
            for (hashed, envelope) in minted {
                one(update.execute(params![envelope, hashed.as_str()])?)?;
            }
            Ok(())
        })
    }

    /// Empties the write-ahead log of what was erased, or is sealed under a root key that is in force no more.
    pub(crate) fn forget_old_rows(&self) -> Result<(), VaultError> {
        self.empty_the_log()
    }

    pub(super) fn key_record(&self) -> rusqlite::Result<(KeyRecord, u64)> {
        let wrap = |kind: &str| {
            self.db
                .query_row(
                    "SELECT salt, memory_kib, passes, sealed, public_key FROM root_key_wrap
                     WHERE kind = ?",
                    [kind],
                    |row| {
                        Ok(Wrap {
                            salt: row.get(0)?,
                            memory_kib: row.get(1)?,
                            passes: row.get(2)?,
                            sealed: row.get(3)?,
                            public_key: row.get(4)?,
                        })
                    },
                )
                .optional()
        };
        let (passphrase, recovery) = (wrap("passphrase")?, wrap("recovery")?);
        self.db.query_row(
            "SELECT id, root_key_source, root_key_version, key_check, mac_key, log_seed,
                    made_at, change, mac, seals
             FROM vault, root_key",
            [],
            |row| {
                let source: String = row.get(1)?;
                let change: Option<String> = row.get(7)?;
                let key_record = KeyRecord {
                    source: word(1, RootKeySource::from_stored(&source))?,
                    keys: SealedKeys {
                        vault_id: row.get(0)?,
                        root_version: row.get(2)?,
                        check: row.get(3)?,
                        mac: row.get(4)?,
                        log_seed: row.get(5)?,
                    },
                    passphrase,
                    recovery,
                    made_at: time(row, 6)?,
                    change: change
                        .map(|text| serde_json::from_str(&text).map_err(unreadable(7)))
                        .transpose()?,
                    mac: row.get(8)?,
                };
                Ok((key_record, count(row, 9)?))
            },
        )
    }
}

/// Writes everything but the vault's own name, which never changes.
pub(super) fn write(tx: &Tx<'_>, key_record: &KeyRecord, seals: u64) -> rusqlite::Result<()> {
    let keys = &key_record.keys;
    one(tx.execute(
        "UPDATE vault SET root_key_source = ?, root_key_version = ?, key_check = ?, mac_key = ?,
           log_seed = ?",
        params![
            key_record.source.to_stored(),
            keys.root_version,
            keys.check,
            keys.mac,
            keys.log_seed
        ],
    )?)?;
    tx.execute(
        "INSERT OR REPLACE INTO root_key VALUES (1, ?, ?, ?, ?)",
        params![
            key_record.made_at.as_microsecond(),
            integer(seals),
            key_record.change.as_ref().map(Change::to_stored),
            key_record.mac,
        ],
    )?;
    tx.execute("DELETE FROM root_key_wrap", [])?;
    for (kind, wrap) in [
        ("passphrase", &key_record.passphrase),
        ("recovery", &key_record.recovery),
    ] {
        if let Some(wrap) = wrap {
            tx.execute(
                "INSERT INTO root_key_wrap VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    kind,
                    wrap.salt,
                    wrap.memory_kib,
                    wrap.passes,
                    wrap.sealed,
                    wrap.public_key
                ],
            )?;
        }
    }
    Ok(())
}

/// A row that is not there means that memory and database differ, and then nothing is written.
fn one(changed: usize) -> rusqlite::Result<()> {
    match changed {
        1 => Ok(()),
        other => Err(rusqlite::Error::StatementChangedRows(other)),
    }
}
