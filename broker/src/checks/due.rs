//! Makes the checks that no one asks for, one after another, when the schedule says so.
//!
//! Not here: the timer (`life`).

use std::sync::Arc;
use std::time::Duration;

use broker_clock::Moment;
use broker_github::{CORE, GitHubError, LimitKind, Principal};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use jiff::Timestamp;

use super::schedule::{self, LastCheck, Schedule};
use super::{CheckError, Pace};
use crate::checks::Checks;

/// How long nothing is checked after a fault of the broker's own.
const REST: Duration = Duration::from_secs(60);

impl Checks {
    /// Checks the secret that is due, if one is.
    pub(crate) async fn run_due_check(self: &Arc<Self>, every: Duration) {
        let mut schedule = self.schedule.lock().await;
        // Nothing could be opened or recorded.
        if self.vault.is_locked() || self.journal.fault().is_some() {
            return;
        }
        let now = self.journal.now();
        if schedule.wants_plan(now) {
            let planning = Arc::clone(self);
            // Ten thousand secrets take a few milliseconds.
            let due = tokio::task::spawn_blocking(move || planning.due_checks(every)).await;
            match due {
                Ok((due, secrets)) => schedule.plan(due, secrets, every, now),
                Err(panic) => {
                    tracing::error!(cause = %panic, "checks could not be planned");
                    schedule.rest(REST, now);
                }
            }
        }
        let Some(name) = schedule.next(now) else {
            return;
        };
        if !self.may_be_checked(&name, every) {
            return;
        }
        let checked = self.check_secret(None, &name, Pace::Gentle).await;
        let now = self.journal.now();
        match checked {
            Err(CheckError::GitHub { cause, .. }) if cause.is_unavailable() => {
                schedule.back_off(cause.retry_after(), now);
            }
            // Whoever it was: another wrong credential would prolong it.
            Err(CheckError::GitHub {
                cause:
                    GitHubError::Limited {
                        kind: LimitKind::LockOut,
                        retry_after,
                        ..
                    },
                ..
            }) => schedule.rest(retry_after, now),
            Ok(_) => schedule.done(now),
            Err(error) => {
                tracing::debug!(secret = %name, cause = %error, "not checked on schedule");
                schedule.done(now);
            }
        }
    }

    /// What is due until a plan's horizon, and how many secrets are checked at all.
    fn due_checks(&self, every: Duration) -> (Vec<(Timestamp, SecretName)>, usize) {
        let policies = self.policies.in_force();
        let now = self.journal.now();
        let (until, moment) = (Schedule::horizon(now), self.journal.moment());
        let mut secrets = 0;
        let mut due = Vec::new();
        for declared in policies.set.secrets() {
            let Some(at) = self.due_check(declared, every, &moment) else {
                continue;
            };
            secrets += 1;
            if at <= until {
                due.push((at, declared.name.clone()));
            }
        }
        (due, secrets)
    }

    /// When this secret is due; `None` if it has no value that could be checked.
    fn due_check(
        &self,
        declared: &SecretDeclaration,
        every: Duration,
        now: &Moment,
    ) -> Option<Timestamp> {
        let name = &declared.name;
        let has_value = match &declared.source {
            SourceSpec::Vault => self.vault.held(name).is_some(),
            source => self.sources.fault(source, self.journal.now()).is_none(),
        };
        if !has_value {
            return None;
        }
        let of_this = self.secrets.last_check_of(declared);
        let answered = of_this.as_ref();
        let answered = answered.map(|checked| (&checked.checked_at, checked.accepted));
        let failed_at = self.vault.check(name).failed_at;
        let last = LastCheck::of(answered, failed_at.as_ref(), now);
        Some(schedule::due_at(name, every, last, now.wall()))
    }

    /// Whether a planned check is still wanted, and its principal is not limited: a request that the
    /// client would hold back anyway is not worth a record.
    fn may_be_checked(&self, name: &SecretName, every: Duration) -> bool {
        let policies = self.policies.in_force();
        let Some(declared) = policies.set.secret(name) else {
            return false;
        };
        let now = self.journal.now();
        let due = self.due_check(declared, every, &self.journal.moment());
        let principal = match declared.kind {
            SecretKind::App => declared.client_id.clone().map(Principal::App),
            SecretKind::Classic | SecretKind::FineGrained => self.limits.principal_of(name),
        };
        let limited =
            principal.and_then(|principal| self.github.limits.limited(&principal, CORE, now));
        due.is_some_and(|at| at <= now.wall) && limited.is_none()
    }
}
