//! The whole database as bytes in memory: to copy it out while it is used, and to look into a copy.
//!
//! Nothing is written to disk here, and a copy in memory has no log beside it: what the write-ahead log
//! held is in the bytes.

use std::path::Path;

use broker_audit::chain::Head;
use rusqlite::{Connection, params};

use super::{Fixed, Mark, Store, integer, storage};
use crate::vault::error::VaultError;
use crate::vault::root_key::{RootKeySource, Wrap};
use crate::vault::state::State;

/// What becomes of a vault on a new machine.
pub(in crate::vault) struct Restored<'a> {
    pub(in crate::vault) source: &'a RootKeySource,
    /// The only passphrase that opens it beside the recovery passphrase.
    pub(in crate::vault) passphrase: Option<&'a Wrap>,
    pub(in crate::vault) log_id: &'a str,
    pub(in crate::vault) noted: Head,
}

impl Store {
    /// All of the database, as a file of its own would hold it.
    pub(in crate::vault) fn snapshot(&mut self) -> Result<Vec<u8>, VaultError> {
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
    pub(in crate::vault) fn of_image(
        image: &[u8],
        path: &Path,
    ) -> Result<(Self, Fixed, State), VaultError> {
        let fault = |cause| storage(path, cause);
        let mut db = Connection::open_in_memory().map_err(fault)?;
        db.deserialize_read_exact("main", image, image.len(), false)
            .map_err(fault)?;
        let said: String = db
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(fault)?;
        if said != "ok" {
            return Err(VaultError::Damaged {
                path: path.to_owned(),
                why: said,
            });
        }
        Self::opened(db, path)
    }

    /// Makes the changes that a new place asks for, all or none.
    pub(in crate::vault) fn restore(
        &mut self,
        restored: &Restored<'_>,
        mark: &Mark,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            mark.write(tx)?;
            tx.execute(
                "UPDATE vault SET root_key_source = ?, log_id = ?, noted_records = ?, noted_hash = ?",
                params![
                    restored.source.to_stored(),
                    restored.log_id,
                    integer(restored.noted.records),
                    restored.noted.hash.as_bytes(),
                ],
            )?;
            // Of leases that are in no log of this vault any more.
            tx.execute("DELETE FROM tombstone", [])?;
            tx.execute("DELETE FROM root_key_wrap WHERE kind = 'passphrase'", [])?;
            if let Some(wrap) = restored.passphrase {
                tx.execute(
                    "INSERT INTO root_key_wrap VALUES ('passphrase', ?, ?, ?, ?)",
                    params![wrap.salt, wrap.memory_kib, wrap.passes, wrap.sealed],
                )?;
            }
            Ok(())
        })
    }
}
