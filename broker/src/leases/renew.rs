//! Renews leases. A renewal is recorded before it takes effect, like a grant, and policy decides again.

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::LeaseEvent;
use broker_audit_writer::Effect;
use broker_policy::{Caller, Decision, Denial, Grant, Request};
use broker_protocol::names::{LeaseId, Permissions};
use futures_util::future::join_all;

use crate::lease::Lease;
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::issue::IssueError;
use crate::leases::proxied::Proxied;
use crate::policies::InForce;

impl Leases {
    /// Prolongs a live lease of this caller's account, or any for an operator. `Ok(None)` if it is
    /// not live, or not theirs.
    ///
    /// Policy decides again: a lease that is no longer allowed is revoked.
    ///
    /// # Errors
    ///
    /// [`IssueError`] as for a new lease; the lease keeps its end.
    pub(crate) async fn renew(
        &self,
        id: &LeaseId,
        caller: &Arc<Caller>,
        ttl: Option<Duration>,
    ) -> Result<Option<Arc<Lease>>, IssueError> {
        let Some(lease) = self
            .table
            .find(id, self.journal.now())
            .filter(|lease| lease.caller.uid == caller.uid || self.config.is_operator(caller))
        else {
            return Ok(None);
        };
        // Evaluated as who asks now: a lease passed on to a process that no rule knows ends here. An
        // operator asks in the name of the account that holds the lease.
        let caller = if lease.caller.uid == caller.uid {
            caller
        } else {
            &lease.caller
        };
        let policies = self.policies.in_force();
        let stands = Self::request(&lease, caller, None);
        if let Err(denial) = Self::evaluate(&policies, &lease, &stands) {
            self.end_lease(id, None, "no longer allowed when it was to be renewed")
                .await;
            return Err(self.deny(&stands, None, denial).await);
        }
        let asked = Self::request(&lease, caller, ttl);
        let grant = match Self::evaluate(&policies, &lease, &asked) {
            Ok(grant) => grant,
            Err(denial) => return Err(self.deny(&asked, None, denial).await),
        };
        if self.secrets.secret_is_gone(&lease) {
            return Err(IssueError::SecretMissing(lease.secret.clone()));
        }
        let secret_ends = self
            .vault
            .held(&lease.secret)
            .and_then(|held| held.expires_at);
        // A token's end needs no look: since the grant the lease is renewable no longer than that.
        let span = lease
            .span
            .renewed(self.journal.now(), grant.ttl, grant.ttl_max, secret_ends);
        let Ok(span) = span else {
            let denial = Denial::TooWide {
                rule: Arc::clone(&grant.rule),
                what: "the lease cannot be renewed any further; ask for a new one".to_owned(),
            };
            return Err(self.deny(&asked, None, denial).await);
        };
        let mut renewed = Lease {
            span,
            rule: Arc::clone(&grant.rule),
            ..Lease::clone(&lease)
        };

        self.spend(&self.grants, caller.account())?;
        let event = LeaseEvent::Renewed(lease_record::of(&renewed, self.journal.boot_id()));
        let body = self.with_lease_mac(&event, &lease.secret)?;
        self.spend_bytes(caller.account(), body.as_str().len())?;
        let effect = Effect::LeaseLives(id.clone());
        renewed.seq = self
            .journal
            .record_body(body, effect)
            .await
            .map_err(IssueError::NotRecorded)?;

        let renewed = Arc::new(renewed);
        if self.table.renew(Arc::clone(&renewed)) {
            self.recheck_changes(&policies, &renewed).await?;
            return Ok(Some(renewed));
        }
        // It ended while the renewal was being recorded: the end stands, and must be the last word
        // in the log as well.
        self.record_expiry(&renewed, "ended while being renewed")
            .await;
        Ok(None)
    }

    /// Prolongs a `proxy` lease that is used, when half of the rule's time for it is over, as its own caller
    /// might. Policy decides again: one that is no longer allowed is revoked. Where it cannot be renewed, it ends
    /// when it would have. One renewal is enough for all requests that come meanwhile.
    pub(crate) async fn renew_in_use(self: &Arc<Self>, lease: &Lease, proxied: &Proxied) {
        if self.is_to_be_renewed(lease) {
            // Few requests come to this, and all would carry it.
            Box::pin(self.renew_once(lease, proxied)).await;
        }
    }

    async fn renew_once(self: &Arc<Self>, lease: &Lease, proxied: &Proxied) {
        let Some(turn) = proxied.turn_to_renew() else {
            return;
        };
        // Another request may have had it renewed since this one found the lease.
        let live = self.table.find(&lease.id, self.journal.now());
        if !live.is_some_and(|live| self.is_to_be_renewed(&live)) {
            return;
        }
        let (this, id) = (Arc::clone(self), lease.id.clone());
        let caller = Arc::clone(&lease.caller);
        // In a task: what is recorded takes effect, also if the request is gone by then.
        let renewing = tokio::spawn(async move {
            let _turn = turn;
            this.renew(&id, &caller, None).await
        });
        match renewing.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(lease = %lease.id, cause = %error, "not renewed"),
            Err(panic) => tracing::error!(cause = %panic, "a renewal failed"),
        }
    }

    /// Renews the leases of requests that are under way, as these did when they began: a transfer may last longer than
    /// its lease.
    pub(crate) async fn renew_those_in_use(self: &Arc<Self>) {
        let in_use = self.table.in_use();
        let renewing = in_use
            .iter()
            .map(|(lease, proxied)| self.renew_in_use(lease, proxied));
        join_all(renewing).await;
    }

    /// Whether half of the rule's time is over, and a renewal would add any: times are whole seconds, so the last
    /// one may end a part of a second before the lease is renewable no longer.
    fn is_to_be_renewed(&self, lease: &Lease) -> bool {
        let now = self.journal.now().boot;
        let (expires, renewable) = (lease.span.expires.boot, lease.span.renewable.boot);
        let left = expires.saturating_sub(now);
        let last = renewable.saturating_sub(expires) < Duration::from_secs(1);
        // A rule's time is seldom longer than this, so most requests end here.
        if last || left * 2 >= lease.span.length() {
            return false;
        }
        let stands = Self::request(lease, &lease.caller, None);
        let grant = Self::evaluate(&self.policies.in_force(), lease, &stands);
        !grant.is_ok_and(|grant| left * 2 >= grant.ttl)
    }

    /// Whether these policies would allow this lease as it stands.
    pub(crate) fn still_allowed(policies: &InForce, lease: &Lease) -> bool {
        let stands = Self::request(lease, &lease.caller, None);
        Self::evaluate(policies, lease, &stands).is_ok_and(|grant| lease.span.fits(grant.ttl_max))
    }

    /// What a lease would have to ask for today.
    fn request(lease: &Lease, caller: &Arc<Caller>, ttl: Option<Duration>) -> Request {
        Request {
            caller: Arc::clone(caller),
            purpose: lease.purpose.clone(),
            repositories: (!lease.repositories.is_empty()).then(|| lease.repositories.to_vec()),
            organization: lease.organization.clone(),
            permissions: (!lease.permissions.is_empty())
                .then(|| Permissions::clone(&lease.permissions)),
            ttl,
        }
    }

    fn evaluate(policies: &InForce, lease: &Lease, request: &Request) -> Result<Grant, Denial> {
        match broker_policy::decide(&policies.set, request) {
            Decision::Allow(grant) => {
                let gives =
                    |grant: &Grant| grant.secret == lease.secret && grant.deliver == lease.deliver;
                if gives(&grant) {
                    return Ok(grant);
                }
                // It may have been granted on the fallback. If not, the rule would give something
                // else today: as good as none for this lease.
                grant.fall_back().filter(gives).ok_or(Denial::NoRule)
            }
            Decision::Deny(denial) => Err(denial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counters;
    use crate::policies::Loaded;
    use broker_clock::Now;
    use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};
    use broker_protocol::names::Delivery;
    use jiff::Timestamp;

    const SECRETS: &str = "[secret.app]\nkind = 'app'\nclient_id = 'Iv23'\n\
                           [secret.org-label-sync-token]\nkind = 'classic'\n";
    const PURPOSE: &str = "purpose = 'label-sync'\nsecret = 'app'\nrepositories = ['acme/*']\n\
                           permissions = { issues = 'read' }\n";
    const RULE: &str = "[[allow]]\ncaller = { uid = 7 }\n";

    fn in_force(more: &str) -> InForce {
        let file = |name: &str, text: String| PolicyFile {
            name: name.to_owned(),
            text,
        };
        let files = [
            file("s.toml", SECRETS.to_owned()),
            file("p.toml", format!("{PURPOSE}{more}{RULE}")),
        ];
        let set = PolicySet::parse(&files, &NamesOnly::default(), &Host::anywhere()).unwrap();
        let files = std::collections::BTreeMap::new();
        let loaded = Loaded {
            set,
            files,
            table_warnings: Vec::new(),
        };
        InForce::since(Timestamp::UNIX_EPOCH, loaded, &Counters::default())
    }

    #[test]
    fn a_lease_on_the_fallback_stands_for_as_long_as_the_purpose_has_that_fallback() {
        let now = Now {
            wall: Timestamp::UNIX_EPOCH,
            boot: Duration::ZERO,
        };
        // Raw, on `org-label-sync-token`.
        let lease = Lease::in_a_test(1, 7, now, Duration::from_secs(60));
        let fallback = "fallback = { secret = 'org-label-sync-token', deliver = 'raw' }\n";
        assert!(Leases::still_allowed(&in_force(fallback), &lease));
        assert!(!Leases::still_allowed(&in_force(""), &lease), "cut over");

        let on_the_app = Lease {
            secret: "app".parse().unwrap(),
            deliver: Delivery::Installation,
            ..lease
        };
        assert!(Leases::still_allowed(&in_force(fallback), &on_the_app));
        let neither = Lease {
            deliver: Delivery::Raw,
            ..on_the_app
        };
        assert!(!Leases::still_allowed(&in_force(fallback), &neither));
        let a_strangers = Lease::in_a_test(1, 8, now, Duration::from_secs(60));
        assert!(!Leases::still_allowed(&in_force(fallback), &a_strangers));
    }
}
