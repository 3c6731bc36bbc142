//! What GitHub said of each secret when it was last asked.
//!
//! In memory is what leases, deadlines and the schedule need of it; the findings themselves are read
//! from the database when someone wants to see them. Ten thousand secrets are a megabyte.
//!
//! No MAC covers this: whoever can write the database could change a date here, and gain that a lease
//! is granted on a token that GitHub refuses.
//!
//! Not here: how a check is made, and what a finding means.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_clock::{BootId, Moment};
use broker_protocol::check::Verdict;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::error::VaultError;
use super::{Vault, known};

/// The last check of a secret that GitHub answered, without its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The version that was checked; `None` where the value is not stored in the vault.
    pub version: Option<u64>,
    /// The hash of a value that is not stored in the vault: whether it is still the same one.
    pub hashed: Option<HashedToken>,
    /// When.
    pub checked_at: Moment,
    /// The worst finding.
    pub verdict: Verdict,
    /// Whether GitHub accepted the credential.
    pub accepted: bool,
    /// The login it belongs to, or an App's client id, as far as is known.
    pub login: Option<Arc<str>>,
    /// When it ends at GitHub, as far as is known; what was entered is in this already.
    pub expires_at: Option<Timestamp>,
}

/// How a secret's checks stand, without their findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckAttempt {
    /// The last one that GitHub answered.
    pub checked: Option<Checked>,
    /// When a later one was tried that GitHub did not answer.
    pub failed_at: Option<Moment>,
}

/// What is read from the database only when someone asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckDetails {
    /// The findings as JSON; `None` if GitHub never answered a check.
    pub findings: Option<String>,
    /// Why the last attempt failed, if it did.
    pub failed_why: Option<String>,
}

/// [`CheckAttempt`] in half the room: there is one for each secret.
#[derive(Debug, Clone, Default)]
pub(super) struct CompactCheck {
    /// Versions count from 1.
    version: Option<std::num::NonZeroU64>,
    hashed: Option<Box<HashedToken>>,
    checked_at: Micros,
    expires_at: Micros,
    failed_at: Micros,
    /// The boot of the last attempt. Of an earlier one only the wall clock is left.
    boot: Option<BootId>,
    /// Of that boot.
    checked_boot: Micros,
    failed_boot: Micros,
    login: Option<Arc<str>>,
    /// `None` if GitHub never answered a check.
    verdict: Option<Verdict>,
    accepted: bool,
}

impl CompactCheck {
    pub(super) fn of(attempt: CheckAttempt) -> Self {
        let mut kept = Self::default();
        if let Some(checked) = attempt.checked {
            kept.version = checked.version.and_then(std::num::NonZeroU64::new);
            kept.hashed = checked.hashed.map(Box::new);
            kept.expires_at = checked.expires_at.into();
            kept.login = checked.login;
            kept.verdict = Some(checked.verdict);
            kept.accepted = checked.accepted;
            kept.checked_at = Some(checked.checked_at.wall()).into();
            kept.checked_boot = kept.in_boot(&checked.checked_at);
        }
        if let Some(failed_at) = attempt.failed_at {
            kept.failed(&failed_at);
        }
        kept
    }

    pub(super) fn checked(&self) -> Option<Checked> {
        Some(Checked {
            version: self.version.map(Into::into),
            hashed: self.hashed.as_deref().cloned(),
            checked_at: self.moment(self.checked_at.at()?, self.checked_boot),
            verdict: self.verdict?,
            accepted: self.accepted,
            login: self.login.clone(),
            expires_at: self.expires_at.at(),
        })
    }

    fn attempt(&self) -> CheckAttempt {
        let failed_at = self.failed_at.at();
        CheckAttempt {
            checked: self.checked(),
            failed_at: failed_at.map(|at| self.moment(at, self.failed_boot)),
        }
    }

    /// From now on the last attempt is one that GitHub did not answer.
    pub(super) fn failed(&mut self, at: &Moment) {
        self.failed_at = Some(at.wall()).into();
        self.failed_boot = self.in_boot(at);
    }

    /// Boot time of a moment, whose boot is the last from now on.
    fn in_boot(&mut self, at: &Moment) -> Micros {
        let boot = at.boot();
        if self.boot.as_ref() != boot.map(|(id, _)| id) {
            self.checked_boot = Micros::NEVER;
            self.boot = boot.map(|(id, _)| id.clone());
        }
        let us = boot.and_then(|(_, us)| i64::try_from(us).ok());
        us.map_or(Micros::NEVER, Micros)
    }

    fn moment(&self, wall: Timestamp, boot: Micros) -> Moment {
        let us = u64::try_from(boot.0).ok();
        Moment::stored(wall, self.boot.clone().zip(us))
    }

    /// The same with the text of a login that is in memory already.
    pub(super) fn sharing(mut self, others: &BTreeMap<SecretName, Self>) -> Self {
        let same = |other: &&Arc<str>| Some(*other) == self.login.as_ref();
        let mut logins = others.values().filter_map(|kept| kept.login.as_ref());
        if let Some(other) = logins.find(same) {
            self.login = Some(Arc::clone(other));
        }
        self
    }
}

/// A time in the database's own measure; the earliest there is stands for none.
#[derive(Debug, Clone, Copy)]
struct Micros(i64);

impl Micros {
    const NEVER: Self = Self(i64::MIN);

    fn at(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }
}

impl Default for Micros {
    fn default() -> Self {
        Self::NEVER
    }
}

impl From<Option<Timestamp>> for Micros {
    fn from(at: Option<Timestamp>) -> Self {
        at.map_or(Self::NEVER, |at| Self(at.as_microsecond()))
    }
}

impl Vault {
    /// How this secret's checks stand. Also for secrets whose value is stored elsewhere.
    #[must_use]
    pub fn check(&self, name: &SecretName) -> CheckAttempt {
        let state = known(self.shared.state.read());
        let check = state.checks.get(name).map(CompactCheck::attempt);
        check.unwrap_or_default()
    }

    /// Keeps, durably, what a check found. Works while locked. The findings are a JSON object, whose
    /// `hashed_credential` is [`Checked::hashed`].
    ///
    /// # Errors
    ///
    /// If it could not be written; then what was known before stays known.
    pub async fn keep_check(
        &self,
        name: &SecretName,
        checked: Checked,
        findings: String,
    ) -> Result<(), VaultError> {
        let name = name.clone();
        self.ask(move |work| {
            work.store.keep_check(&name, &checked, &findings)?;
            let kept = CompactCheck::of(CheckAttempt {
                checked: Some(checked),
                failed_at: None,
            });
            let mut state = known(work.shared.state.write());
            let kept = kept.sharing(&state.checks);
            state.checks.insert(name, kept);
            Ok(())
        })
        .await
    }

    /// Keeps, durably, that a check was tried at this time and GitHub did not answer it. What the
    /// check before it found stays.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn keep_failed_check(
        &self,
        name: &SecretName,
        at: Moment,
        why: String,
    ) -> Result<(), VaultError> {
        let name = name.clone();
        self.ask(move |work| {
            work.store.keep_failed_check(&name, &at, &why)?;
            let mut state = known(work.shared.state.write());
            state.checks.entry(name).or_default().failed(&at);
            Ok(())
        })
        .await
    }

    /// What the last check found, read from the database.
    ///
    /// # Errors
    ///
    /// If it could not be read.
    pub async fn check_details(&self, name: &SecretName) -> Result<CheckDetails, VaultError> {
        let name = name.clone();
        self.ask(move |work| work.store.check_details(&name)).await
    }
}
