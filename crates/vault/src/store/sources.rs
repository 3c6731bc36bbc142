//! What is kept for sources, in the database alone.

use rusqlite::params;

use super::load::{count_or_none, time};
use super::{Store, for_each, integer};
use crate::error::VaultError;
use crate::sources::SourceValue;

impl Store {
    pub(crate) fn source_requests(&self) -> Result<Vec<(i64, u32)>, VaultError> {
        let query = "SELECT hour, requests FROM source_requests ORDER BY hour";
        let rows = self.rows(query, |row| Ok((row.get(0)?, row.get(1)?)));
        rows.map_err(|cause| self.fault(cause))
    }

    pub(crate) fn keep_source_requests(
        &mut self,
        hour: i64,
        requests: u32,
        oldest: i64,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            // One to come was written by a clock that was wrong.
            tx.execute(
                "DELETE FROM source_requests WHERE hour < ? OR hour > ?",
                [oldest, hour],
            )?;
            tx.execute(
                "INSERT OR REPLACE INTO source_requests VALUES (?, ?)",
                params![hour, requests],
            )
        })
    }

    pub(crate) fn keep_source_value(
        &mut self,
        value: &SourceValue<Vec<u8>>,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO source_value VALUES (?, ?, ?, ?)",
                params![
                    value.source,
                    value.version.map(integer),
                    value.read_at.as_microsecond(),
                    value.value,
                ],
            )
        })
    }

    pub(crate) fn source_values(&self) -> Result<Vec<SourceValue<Vec<u8>>>, VaultError> {
        let query = "SELECT source, version, read_at, sealed FROM source_value ORDER BY source";
        let rows = self.rows(query, |row| {
            Ok(SourceValue {
                source: row.get(0)?,
                version: count_or_none(row, 1)?,
                read_at: time(row, 2)?,
                value: row.get(3)?,
            })
        });
        rows.map_err(|cause| self.fault(cause))
    }

    pub(crate) fn keep_only_source_values(
        &mut self,
        sources: &[Box<str>],
    ) -> Result<(), VaultError> {
        let kept = self.source_values()?.into_iter().map(|value| value.source);
        let gone: Vec<_> = kept.filter(|source| !sources.contains(source)).collect();
        self.forget_source_values(&gone)
    }

    pub(crate) fn forget_source_values(&mut self, sources: &[Box<str>]) -> Result<(), VaultError> {
        if sources.is_empty() {
            return Ok(());
        }
        self.durably(|tx| {
            let rows = sources.iter().map(|source| [source]);
            for_each(tx, "DELETE FROM source_value WHERE source = ?", rows)
        })?;
        self.empty_the_log()
    }
}
