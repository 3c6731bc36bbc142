//! What checks found, in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_protocol::check::Verdict;
use broker_protocol::names::SecretName;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::load::{Unexpected, count, moment, name, unreadable};
use super::{Store, integer};
use crate::token::HashedToken;
use crate::vault::checks::{CheckAttempt, CheckDetails, Checked, Kept};
use crate::vault::error::VaultError;

impl Store {
    /// Keeps what a check found, in place of what was there.
    pub(in crate::vault) fn keep_check(
        &mut self,
        name: &SecretName,
        kept: &Kept,
        findings: &str,
    ) -> Result<(), VaultError> {
        let Some(checked) = kept.checked() else {
            return Ok(());
        };
        self.durably(|tx| {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO secret_check VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            )?
            .execute(params![
                name.as_str(),
                checked.version.map(integer),
                checked.checked_at.as_microsecond(),
                checked.verdict.as_str(),
                checked.accepted,
                checked.login,
                checked.expires_at.map(Timestamp::as_microsecond),
                findings,
            ])?;
            Ok(())
        })
    }

    /// Keeps that a check got no answer, beside what the one before it found.
    pub(in crate::vault) fn keep_failed_check(
        &mut self,
        name: &SecretName,
        at: Timestamp,
        why: &str,
    ) -> Result<(), VaultError> {
        self.durably(|tx| {
            tx.prepare_cached(
                "INSERT INTO secret_check (secret, failed_at, failed_why) VALUES (?1, ?2, ?3)
                 ON CONFLICT (secret) DO UPDATE SET failed_at = ?2, failed_why = ?3",
            )?
            .execute(params![name.as_str(), at.as_microsecond(), why])?;
            Ok(())
        })
    }

    /// What people see of the last check.
    pub(in crate::vault) fn check_details(
        &self,
        name: &SecretName,
    ) -> Result<CheckDetails, VaultError> {
        let row = self.db.query_row(
            "SELECT findings, failed_why FROM secret_check WHERE secret = ?",
            [name.as_str()],
            |row| {
                Ok(CheckDetails {
                    findings: row.get(0)?,
                    failed_why: row.get(1)?,
                })
            },
        );
        let details = row.optional().map_err(|cause| self.fault(cause))?;
        Ok(details.unwrap_or_default())
    }

    pub(super) fn checks(&self) -> Result<BTreeMap<SecretName, Kept>, rusqlite::Error> {
        let mut statement = self.db.prepare(
            "SELECT secret, version, checked_at, verdict, accepted, login, expires_at, failed_at,
               CASE WHEN version IS NULL AND json_valid(findings)
                 THEN findings ->> '$.hashed_credential' END
             FROM secret_check ORDER BY secret",
        )?;
        let mut rows = statement.query([])?;
        let mut checks = Vec::new();
        // Many secrets, few logins.
        let mut logins: BTreeSet<Arc<str>> = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let mut checked = checked(row)?;
            if let Some(login) = checked.as_mut().and_then(|checked| checked.login.as_mut()) {
                match logins.get(login) {
                    Some(known) => *login = Arc::clone(known),
                    None => drop(logins.insert(Arc::clone(login))),
                }
            }
            let kept = Kept::of(CheckAttempt {
                checked,
                failed_at: time(row, 7)?,
            });
            checks.push((name(row, 0)?, kept));
        }
        Ok(checks.into_iter().collect())
    }
}

fn checked(row: &Row<'_>) -> Result<Option<Checked>, rusqlite::Error> {
    let Some(checked_at) = time(row, 2)? else {
        return Ok(None);
    };
    let version: Option<i64> = row.get(1)?;
    let verdict: String = row.get(3)?;
    Ok(Some(Checked {
        version: version.map(|_| count(row, 1)).transpose()?,
        hashed: row
            .get::<_, Option<String>>(8)?
            .map(|hashed| HashedToken::from_stored(&hashed)),
        checked_at,
        verdict: Verdict::from_word(&verdict).ok_or_else(|| unreadable(3)(Unexpected))?,
        accepted: row.get(4)?,
        login: row.get(5)?,
        expires_at: time(row, 6)?,
    }))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, rusqlite::Error> {
    let micros: Option<i64> = row.get(column)?;
    micros.map(|micros| moment(micros, column)).transpose()
}
