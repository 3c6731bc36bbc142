//! Whose budget of requests at GitHub a lease draws on, and what follows when it is used up.
//!
//! A principal that GitHub limits is left alone: a request for a lease that would draw on it is
//! refused with the time to come back, before anything is granted and without a call to GitHub, so
//! that one caller's burst does not become a ban for all.
//!
//! Not here: what GitHub says of a budget ([`broker_github::Limits`]).

mod floor;
mod poll;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use broker_audit::record::GitHubEvent;
use broker_github::{CORE, GitHub, LimitKind, Limited, Principal};
use broker_policy::SecretKind;
use broker_protocol::api::{GitHubStatus, LeaseView};
use broker_protocol::names::{Delivery, SecretName};
use broker_vault::Vault;
use futures_util::future::join_all;
use jiff::Timestamp;

use self::poll::LastAsked;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::minting::Minting;
use crate::policies::Policies;
use crate::secrets::Secrets;
use crate::warnings::Warnings;

pub(crate) struct Limits {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    github: Arc<GitHub>,
    minting: Arc<Minting>,
    warnings: Arc<Warnings>,
    asked: tokio::sync::Mutex<LastAsked>,
    /// Whether GitHub said that it has no rate limits.
    server_has_none: AtomicBool,
}

/// Why GitHub would refuse what a lease is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpstreamLimit {
    /// GitHub would have to mint a token, and is not asked for a while because it failed.
    BreakerOpen { retry_after: Duration },
    /// GitHub limits a principal whose budget it draws on.
    Limited(Limited),
}

impl Limits {
    /// Watches what this GitHub says of budgets.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault): (Arc<Secrets>, Arc<Vault>),
        github: Arc<GitHub>,
        minting: Arc<Minting>,
        warnings: Arc<Warnings>,
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            github,
            minting,
            warnings,
            asked: tokio::sync::Mutex::default(),
            server_has_none: AtomicBool::default(),
        }
    }

    /// Who a personal access token's requests are counted against: the login that GitHub gave for it,
    /// or else the one that policy declares. `None` if neither is known, and for an App, whose
    /// installations each have a budget of their own.
    pub(crate) fn principal_of(&self, secret: &SecretName) -> Option<Principal> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(secret)?;
        if declared.kind == SecretKind::App {
            return None;
        }
        // Another value may be another user's.
        let login = self
            .secrets
            .last_check_of(declared)
            .and_then(|checked| checked.login);
        let login = login.as_deref().or(declared.owner.as_deref());
        login.map(Principal::user)
    }

    /// Who the requests made with a lease are counted against, if that is known.
    pub(crate) fn principal_behind(&self, lease: &Lease) -> Option<Principal> {
        if lease.deliver == Delivery::Installation || self.policies.is_app(&lease.secret) {
            return self.minting.installation_principal(lease);
        }
        self.principal_of(&lease.secret)
    }

    /// The App that would have to mint for this lease: none if a token is shared already.
    fn minting_app(&self, lease: &Lease) -> Option<Principal> {
        if lease.deliver != Delivery::Installation || lease.hashed_token.is_some() {
            return None;
        }
        let policies = self.policies.in_force();
        let client_id = policies.set.secret(&lease.secret)?.client_id.as_deref()?;
        Some(Principal::App(client_id.into()))
    }

    /// Refuses a lease that could only be used to run into a limit again, or that wants a token of a
    /// GitHub that is left alone.
    pub(crate) fn refuse_limited(&self, lease: &Lease) -> Result<(), UpstreamLimit> {
        let now = self.journal.now();
        let minting = self.minting_app(lease);
        if minting.is_some()
            && let Some(retry_after) = self.github.left_alone()
        {
            return Err(UpstreamLimit::BreakerOpen { retry_after });
        }
        let principals = self.principal_behind(lease).into_iter();
        let limited = principals
            .chain(minting)
            .filter_map(|principal| self.github.limits.limited(&principal, CORE, now))
            .max_by_key(|limited| limited.retry_after);
        limited.map_or(Ok(()), |limited| Err(UpstreamLimit::Limited(limited)))
    }

    /// Refuses a request of this principal's that would run into a limit again. One that draws on no window of the
    /// API's, as git's, is concerned only by a limit that holds for whatever is asked.
    pub(crate) fn refuse_request(
        &self,
        principal: Option<&Principal>,
        resource: Option<&str>,
    ) -> Result<(), UpstreamLimit> {
        let (limits, now) = (&self.github.limits, self.journal.now());
        let limited = principal.and_then(|of| match resource {
            None => limits.held_off(of, now),
            Some(resource) => limits.limited(of, resource, now),
        });
        limited.map_or(Ok(()), |limited| Err(UpstreamLimit::Limited(limited)))
    }

    /// A lease as the API shows it, with what its principal has left.
    pub(crate) fn lease_view(&self, lease: &Lease) -> LeaseView {
        let (limits, now) = (&self.github.limits, self.journal.now());
        let principal = self.principal_behind(lease);
        LeaseView {
            rate_limit: principal.and_then(|principal| limits.rate(&principal, CORE, now)),
            rejected_since: self.rejected_behind(lease),
            ..lease.view()
        }
    }

    /// Since when GitHub refuses the stored token behind a lease: of a `raw` lease the one that was handed out, also
    /// where another one is in use now. With an App no stored value is used at GitHub.
    fn rejected_behind(&self, lease: &Lease) -> Option<Timestamp> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(&lease.secret)?;
        if declared.kind == SecretKind::App {
            return None;
        }
        let in_use = self.secrets.hash_in_use(declared);
        match lease.hashed_credential() {
            Some(known) if Some(known) != in_use.as_ref() => match lease.deliver {
                Delivery::Raw => {
                    let (secret, version) = (&lease.secret, lease.version);
                    self.secrets.value_rejected_since(secret, known, version)
                }
                // What it opened last is not what its next request is made with.
                Delivery::Proxy | Delivery::Installation => None,
            },
            _ => self.secrets.rejected_since(declared),
        }
    }

    /// GitHub as operators see it: host, circuit breaker, and what each principal has left.
    pub(crate) fn github_status(&self) -> GitHubStatus {
        GitHubStatus {
            api: self.github.base.to_string(),
            breaker: self.github.breaker_state().as_str().to_owned(),
            last_answer: self.github.last_heard().map(|heard| heard.wall),
            principals: self.github.limits.view(self.journal.now()),
        }
    }

    /// Records who became limited since this was last called; later, if the log cannot be written
    /// now.
    pub(crate) fn record_limits(self: &Arc<Self>) {
        let news = self.github.limits.take_news();
        if news.is_empty() {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let records = news.iter().map(|limited| async {
                let principal = limited.principal.to_string();
                tracing::warn!(%principal, limit = %limited.kind, until = %limited.until, "limited by GitHub");
                let event = GitHubEvent::Limited {
                    principal: &principal,
                    limit: limited.kind.as_str(),
                    resource: limited.resource.as_deref(),
                    until: limited.until,
                };
                this.journal.record_or_trace(&event).await
            });
            join_all(records).await;
        });
    }
}

/// Describes a limit for a caller.
pub(crate) const fn describe(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Primary => "its requests of this hour are used up",
        LimitKind::Secondary => "it sent too many requests too fast",
        LimitKind::LockOut => "it is locked out after several wrong credentials",
    }
}
