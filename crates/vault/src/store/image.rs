//! The whole database as bytes in memory: to copy it out while it is used, and to look into a copy.
//!
//! Nothing is written to disk here, and a copy in memory has no log beside it: what the write-ahead log
//! held is in the bytes.

use std::path::Path;
use std::sync::atomic::Ordering;

use broker_audit::chain::Head;
use rusqlite::{Connection, params};

use super::{Mark, Store, check, integer, key_record, storage, witness};
use crate::error::VaultError;
use crate::state::State;

impl Store {
    /// All of the database, as a file of its own would hold it.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>, VaultError> {
        let path = &self.path;
        let bytes = self.db.serialize("main");
        let mut image = bytes.map_err(|cause| storage(path, cause))?.to_vec();
        // The header's two versions: 2 would say that a write-ahead log belongs to it.
        if let Some(versions) = image.get_mut(18..20) {
            versions.fill(1);
        }
        Ok(image)
    }

    /// Opens such bytes, checks them to the last page, and reads all of them. `path` is for messages.
    pub(crate) fn of_image(image: &[u8], path: &Path) -> Result<(Self, State), VaultError> {
        let fault = |cause| storage(path, cause);
        let mut db = Connection::open_in_memory().map_err(fault)?;
        db.deserialize_read_exact("main", image, image.len(), false)
            .map_err(fault)?;
        // Before anything else is asked of it: a backup may come from anyone.
        check(&db, path, "PRAGMA integrity_check(1)")?;
        Self::opened(db, path)
    }

    /// Makes the changes that a new place asks for, all or none: `state` says where the root key is kept
    /// there, which log belongs to the vault, and its head up to `noted`. What it forgot goes.
    pub(crate) fn restore(
        &mut self,
        noted: Head,
        mark: &Mark,
        state: &State,
    ) -> Result<(), VaultError> {
        let seals = self.seals.load(Ordering::Relaxed);
        self.durably(|tx| {
            mark.write(tx)?;
            witness::delete_forgotten(tx, state)?;
            key_record::write(tx, &state.key_record, seals)?;
            let log_id = &state.list.log.log_id;
            tx.execute(
                "UPDATE vault SET log_id = ?, noted_records = ?, noted_hash = ?",
                params![log_id, integer(noted.records), noted.hash.as_bytes()],
            )?;
            // Of leases that are in no log of this vault any more.
            tx.execute_batch(
                "DELETE FROM tombstone; DELETE FROM late_tombstone; DELETE FROM tunnel",
            )
        })
    }
}
