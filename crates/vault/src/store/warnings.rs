//! Warnings in the database.

use rusqlite::params;

use super::load::time;
use super::{Store, for_each};
use crate::error::VaultError;
use crate::warnings::StoredWarning;

impl Store {
    pub(crate) fn warnings(&self) -> Result<Vec<StoredWarning>, VaultError> {
        let query = "SELECT key, occasion, mark, hook, webhook, body FROM warning ORDER BY key";
        let rows = self.rows(query, |row| {
            Ok(StoredWarning {
                key: row.get(0)?,
                occasion: row.get(1)?,
                mark: time(row, 2)?,
                hook: row.get(3)?,
                webhook: row.get(4)?,
                body: row.get(5)?,
            })
        });
        rows.map_err(|cause| self.fault(cause))
    }

    pub(crate) fn keep_warnings(&mut self, warnings: &[StoredWarning]) -> Result<(), VaultError> {
        self.durably(|tx| {
            for one in warnings {
                tx.execute(
                    "INSERT OR REPLACE INTO warning VALUES (?, ?, ?, ?, ?, ?)",
                    params![
                        one.key,
                        one.occasion,
                        one.mark.as_microsecond(),
                        one.hook,
                        one.webhook,
                        one.body,
                    ],
                )?;
            }
            Ok(())
        })
    }

    pub(crate) fn forget_warnings(&mut self, keys: &[Box<str>]) -> Result<(), VaultError> {
        self.durably(|tx| {
            let rows = keys.iter().map(|key| [key]);
            for_each(tx, "DELETE FROM warning WHERE key = ?", rows)
        })
    }
}
