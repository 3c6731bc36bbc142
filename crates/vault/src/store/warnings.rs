//! Warnings in the database.

use rusqlite::params;

use super::Store;
use super::load::time;
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
            let mut insert =
                tx.prepare_cached("INSERT OR REPLACE INTO warning VALUES (?, ?, ?, ?, ?, ?)")?;
            for warning in warnings {
                insert.execute(params![
                    warning.key,
                    warning.occasion,
                    warning.mark.as_microsecond(),
                    warning.hook,
                    warning.webhook,
                    warning.body,
                ])?;
            }
            Ok(())
        })
    }

    pub(crate) fn forget_warnings(&mut self, keys: &[Box<str>]) -> Result<(), VaultError> {
        self.durably(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM warning WHERE key = ?")?;
            for key in keys {
                delete.execute([key])?;
            }
            Ok(())
        })
    }
}
