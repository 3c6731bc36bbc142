//! What checks found, in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_clock::{BootId, Moment};
use broker_protocol::check::Verdict;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::load::{count_or_none, name, time_or_none, word};
use super::{Store, integer};
use crate::checks::{CheckAttempt, CheckDetails, Checked, CompactCheck};
use crate::error::VaultError;

impl Store {
    /// Keeps what a check found, in place of what was there.
    pub(crate) fn keep_check(
        &mut self,
        name: &SecretName,
        checked: &Checked,
        findings: &str,
    ) -> Result<(), VaultError> {
        let boot = checked.checked_at.boot();
        self.durably(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO secret_check
                   (secret, version, checked_at, verdict, accepted, login, expires_at, findings,
                    boot_id, checked_boot)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    name.as_str(),
                    checked.version.map(integer),
                    checked.checked_at.wall().as_microsecond(),
                    checked.verdict.as_str(),
                    checked.accepted,
                    checked.login,
                    checked.expires_at.map(Timestamp::as_microsecond),
                    findings,
                    boot.map(|(id, _)| id.as_str()),
                    boot.map(|(_, us)| integer(us)),
                ],
            )
        })
    }

    /// Keeps that a check got no answer, beside what the one before it found.
    pub(crate) fn keep_failed_check(
        &mut self,
        name: &SecretName,
        at: &Moment,
        why: &str,
    ) -> Result<(), VaultError> {
        let boot = at.boot();
        self.durably(|tx| {
            // Boot time of another boot says nothing any more.
            tx.execute(
                "INSERT INTO secret_check (secret, failed_at, failed_why, boot_id, failed_boot)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (secret) DO UPDATE SET failed_at = ?2, failed_why = ?3,
                   checked_boot = CASE WHEN boot_id = ?4 THEN checked_boot END,
                   boot_id = ?4, failed_boot = ?5",
                params![
                    name.as_str(),
                    at.wall().as_microsecond(),
                    why,
                    boot.map(|(id, _)| id.as_str()),
                    boot.map(|(_, us)| integer(us)),
                ],
            )
        })
    }

    /// What operators see of the last check.
    pub(crate) fn check_details(&self, name: &SecretName) -> Result<CheckDetails, VaultError> {
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

    pub(super) fn checks(&self) -> rusqlite::Result<BTreeMap<SecretName, CompactCheck>> {
        // Many secrets, few logins and boots.
        let mut logins: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut boots: BTreeSet<BootId> = BTreeSet::new();
        self.rows(
            "SELECT secret, version, checked_at, verdict, accepted, login, expires_at, failed_at,
               CASE WHEN version IS NULL AND json_valid(findings)
                 THEN findings ->> '$.hashed_credential' END,
               boot_id, checked_boot, failed_boot
             FROM secret_check ORDER BY secret",
            |row| {
                let boot: Option<String> = row.get(9)?;
                let boot = boot.map(|id| shared(&mut boots, BootId::new(&id)));
                let mut checked = checked(row, boot.as_ref())?;
                if let Some(login) = checked.as_mut().and_then(|checked| checked.login.as_mut()) {
                    *login = shared(&mut logins, Arc::clone(login));
                }
                let failed_at = moment_of(row, (7, 11), boot.as_ref())?;
                Ok((
                    name(row, 0)?,
                    CompactCheck::of(CheckAttempt { checked, failed_at }),
                ))
            },
        )
    }
}

/// The one of these that is known already, if it is.
fn shared<T: Ord + Clone>(known: &mut BTreeSet<T>, one: T) -> T {
    if let Some(same) = known.get(&one) {
        return same.clone();
    }
    known.insert(one.clone());
    one
}

/// A moment in two columns: by the wall clock, and since the boot began.
fn moment_of(
    row: &Row<'_>,
    (wall, in_boot): (usize, usize),
    boot: Option<&BootId>,
) -> rusqlite::Result<Option<Moment>> {
    let us = count_or_none(row, in_boot)?;
    let stored = |wall| Moment::stored(wall, boot.cloned().zip(us));
    Ok(time_or_none(row, wall)?.map(stored))
}

fn checked(row: &Row<'_>, boot: Option<&BootId>) -> rusqlite::Result<Option<Checked>> {
    let Some(checked_at) = moment_of(row, (2, 10), boot)? else {
        return Ok(None);
    };
    let verdict: String = row.get(3)?;
    let hashed: Option<String> = row.get(8)?;
    Ok(Some(Checked {
        version: count_or_none(row, 1)?,
        hashed: hashed.as_deref().map(HashedToken::from_stored),
        checked_at,
        verdict: word(3, Verdict::from_word(&verdict))?,
        accepted: row.get(4)?,
        login: row.get(5)?,
        expires_at: time_or_none(row, 6)?,
    }))
}
