//! A new vault file: whole, or not there.

use std::io;
use std::path::Path;

use broker_private_files::{self as private, PrivateError};
use broker_protocol::whole_file;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    APPLICATION_ID, FLAGS, FORMAT, FORMAT_4, FORMAT_5, FORMAT_6, Store, beside, integer, storage,
};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::SEALED_AT_FIRST;
use crate::row_mac::SignedHead;
use crate::state::List;

impl Store {
    /// Builds a new vault beside `path` and puts it there whole, or not at all.
    pub(crate) fn create(
        path: &Path,
        key_record: &KeyRecord,
        list: &List,
        signed_head: &SignedHead,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let unfinished = path.with_extension("db.new");
        for leftover in [unfinished.clone(), beside(&unfinished, "-journal")] {
            private::remove(&leftover)?;
        }
        private::write_new(&unfinished, b"")?;
        Self::build(&unfinished, key_record, list, signed_head, now)
            .map_err(|e| storage(path, e))?;
        whole_file::link(&unfinished, path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => VaultError::Exists(path.to_owned()),
            _ => PrivateError::io(path)(error).into(),
        })?;
        private::remove(&unfinished)?;
        Ok(private::sync_directory_of(path)?)
    }

    fn build(
        path: &Path,
        key_record: &KeyRecord,
        list: &List,
        signed_head: &SignedHead,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut db = Connection::open_with_flags(path, FLAGS)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let tx = db.transaction()?;
        tx.execute_batch(FORMAT_4)?;
        tx.execute_batch(FORMAT_5)?;
        tx.execute_batch(FORMAT_6)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
        tx.execute(
            "INSERT INTO vault VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            params![
                key_record.keys.vault_id,
                now.as_microsecond(),
                key_record.source.to_stored(),
                key_record.keys.root_version,
                key_record.keys.check,
                key_record.keys.mac,
                list.log.log_id,
                list.log.public_key,
                key_record.keys.log_seed,
                integer(list.changes),
                list.mac,
            ],
        )?;
        super::key_record::write(&tx, key_record, SEALED_AT_FIRST)?;
        super::witness::write(&tx, signed_head)?;
        tx.commit()?;
        db.close().map_err(|(_, error)| error)
    }
}
