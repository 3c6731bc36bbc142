//! Since when values have been known, as rows.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use rusqlite::params;

use super::Store;
use super::rotation::json;
use crate::error::VaultError;
use crate::first_seen::FirstSeen;

impl Store {
    pub(crate) fn keep_first_seen(
        &mut self,
        these: &[(SecretName, FirstSeen)],
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            let mut insert =
                tx.prepare_cached("INSERT OR REPLACE INTO first_seen VALUES (?, ?)")?;
            for (name, seen) in these {
                insert.execute(params![name.as_str(), json(seen)?])?;
            }
            Ok(())
        })
    }

    pub(super) fn first_seen(&self) -> Result<BTreeMap<SecretName, FirstSeen>, rusqlite::Error> {
        let rows = self
            .states("SELECT secret, state FROM first_seen")?
            .into_iter();
        Ok(rows.map(|(secret, row)| (secret, row.state)).collect())
    }
}
