//! Certificates of tunnels, sealed, in the database alone.

use broker_protocol::names::LeaseId;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, for_each};
use crate::error::VaultError;

impl Store {
    pub(crate) fn keep_tunnel(&mut self, lease: &LeaseId, sealed: &[u8]) -> Result<(), VaultError> {
        self.durably(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO tunnel VALUES (?, ?)",
                params![lease.as_str(), sealed],
            )
        })
    }

    pub(crate) fn tunnel(&self, lease: &LeaseId) -> Result<Option<Vec<u8>>, VaultError> {
        let query = "SELECT sealed FROM tunnel WHERE lease = ?";
        let found = self.db.query_row(query, [lease.as_str()], |row| row.get(0));
        found.optional().map_err(|cause| self.fault(cause))
    }

    pub(crate) fn leases_with_tunnels(&self) -> Result<Vec<LeaseId>, VaultError> {
        let query = "SELECT lease FROM tunnel ORDER BY lease";
        let rows: Result<Vec<String>, _> = self.rows(query, |row| row.get(0));
        let rows = rows.map_err(|cause| self.fault(cause))?;
        // One with another name was never written, and is of no lease.
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    pub(crate) fn forget_tunnels(&mut self, leases: &[LeaseId]) -> Result<(), VaultError> {
        if leases.is_empty() {
            return Ok(());
        }
        self.durably(|tx| {
            let rows = leases.iter().map(|lease| [lease.as_str()]);
            for_each(tx, "DELETE FROM tunnel WHERE lease = ?", rows)
        })?;
        self.empty_the_log()
    }
}
