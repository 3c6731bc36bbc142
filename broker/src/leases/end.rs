//! Ends leases, and prolongs them: revoke, expire, renew, and evaluating them again.
//!
//! An end takes effect at once and is recorded as soon as the audit log can be written; a
//! prolongation is recorded first, like a grant.

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::Event;
use broker_audit_writer::Effect;
use broker_policy::{Caller, Decision, Denial, Grant, Request};
use broker_protocol::api::Revoked;
use broker_protocol::names::{Delivery, LeaseId, Permissions};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::caller::ExitWatch;
use crate::lease::Lease;
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::issue::{IssueError, Wishes};
use crate::policies::InForce;

/// What became of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The lease that ended.
    pub lease: Arc<Lease>,
    /// Whether the end is in the audit log already.
    pub recorded: bool,
}

impl Ended {
    /// What ending this lease did not do.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.lease.deliver == Delivery::Raw).then(|| {
            format!(
                "the caller still holds `{secret}` itself; ending a raw lease is bookkeeping, \
                 and only a new value for `{secret}` takes it away",
                secret = self.lease.secret
            )
        })
    }
}

impl Leases {
    /// Ends a lease on request. An installation token ends at GitHub with its last lease; `at_once`, it
    /// ends now, and the leases that share it end with it. `None` if the lease is not live.
    pub async fn revoke(
        self: &Arc<Self>,
        id: &LeaseId,
        by: &Arc<Caller>,
        at_once: bool,
    ) -> Option<Revoked> {
        let tokens = &self.minting.tokens;
        let held = tokens.held_by(id).map(|token| token.hashed);
        // Before anything is awaited: from here on nobody else gets hold of it, nor ends it first.
        let last = (!at_once).then_some(id);
        let ending = held.as_ref();
        let ending = ending.map(|token| self.minting.end_token_now(token, by, last));
        let sharing = held.iter().flat_map(|token| tokens.holders(token));
        let sharing: Vec<LeaseId> = sharing.filter(|other| other != id).collect();
        let ended = self.end_lease(id, Some(by), "revoked on request").await?;
        let also_ended = if at_once {
            let why = "the token it shares was revoked";
            let also = self.end_leases(&sharing, Some(by), why).await;
            also.iter().map(|ended| ended.lease.id.clone()).collect()
        } else {
            Vec::new()
        };
        let token = match ending {
            Some(ending) => Some(ending.await),
            None => None,
        };
        Some(Revoked {
            lease: id.clone(),
            warning: ended.warning(),
            token,
            also_ended,
            recorded: ended.recorded,
        })
    }

    /// Ends a live lease before its time. `None` if it is not live.
    pub async fn end_lease(
        &self,
        id: &LeaseId,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Option<Ended> {
        self.end_leases([id], by, why).await.pop()
    }

    /// Ends these leases before their time: those of them that are live.
    pub async fn end_leases(
        &self,
        ids: impl IntoIterator<Item = &LeaseId>,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Vec<Ended> {
        let ended = self.take_from_table(ids);
        self.see_to_ends(ended, Vec::new(), by, why).await
    }

    /// Ends these leases, as far as nothing is awaited for it.
    pub(crate) fn take_from_table<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a LeaseId>,
    ) -> Vec<Arc<Lease>> {
        let ended = ids.into_iter().filter_map(|id| self.table.end(id));
        let ended: Vec<_> = ended.collect();
        for lease in &ended {
            self.minting.release_token(lease);
        }
        ended
    }

    /// Sees to it that leases that have ended stay so. `buried` get no more than a tombstone: their
    /// records come later, or from somebody else.
    pub(crate) async fn see_to_ends(
        &self,
        ended: Vec<Arc<Lease>>,
        buried: Vec<(LeaseId, Timestamp)>,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Vec<Ended> {
        if ended.is_empty() && buried.is_empty() {
            return Vec::new();
        }
        // Tombstones, so that a cut tail of the log revives nothing. If they cannot be written the
        // leases have ended all the same, and the log has their end.
        let graves = ended
            .iter()
            .map(|l| (l.id.clone(), l.span.renewable.wall))
            .chain(buried)
            .collect();
        if let Err(error) = self.vault.bury(graves, self.journal.now().wall).await {
            tracing::error!(cause = %error, "a revocation left no tombstone in the vault");
        }
        // Together, so that they share their syncs.
        join_all(ended.into_iter().map(|lease| async move {
            let event = Event::LeaseRevoked {
                lease: lease.id.as_str(),
                purpose: lease.purpose.as_str(),
                secret: lease.secret.as_str(),
                by: by.map(lease_record::caller),
                why,
            };
            metrics::counter!("tokend_leases_revoked_total").increment(1);
            let recorded = self.journal.record_end(&event, &lease.id).await;
            Ended { lease, recorded }
        }))
        .await
    }

    /// Ends every lease whose time is over, at once. The records follow: a disk that hangs keeps no
    /// lease alive.
    pub fn expire_leases(self: &Arc<Self>) {
        let over = self.table.expire(self.journal.now());
        if over.is_empty() {
            return;
        }
        for lease in &over {
            self.minting.release_token(lease);
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            join_all(over.iter().map(|lease| this.record_expiry(lease, "ttl"))).await;
        });
    }

    /// Ends a lease when the process that took it has exited. Until then the watch costs a
    /// descriptor; it goes when the lease ends otherwise, or a process that lives long and takes
    /// many would use them all up.
    pub fn end_with_caller(self: &Arc<Self>, watch: ExitWatch, id: LeaseId) {
        let Some(over) = self.table.until_over(&id) else {
            return;
        };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = watch.exited() => {}
                _ = over => return,
            }
            if let Some(lease) = this.table.end(&id) {
                this.record_expiry(&lease, "caller_exit").await;
            }
        });
    }

    /// Whether it is in the log already.
    pub(crate) async fn record_expiry(&self, lease: &Lease, why: &'static str) -> bool {
        metrics::counter!("tokend_leases_expired_total").increment(1);
        self.minting.release_token(lease);
        let event = Event::LeaseExpired {
            lease: lease.id.as_str(),
            purpose: lease.purpose.as_str(),
            secret: lease.secret.as_str(),
            why,
        };
        self.journal.record_end(&event, &lease.id).await
    }

    /// Prolongs a live lease of this caller's account, or any for an operator. `Ok(None)` if it is
    /// not live, or not theirs.
    ///
    /// Policy decides again: a lease that is no longer allowed is revoked.
    ///
    /// # Errors
    ///
    /// [`IssueError`] as for a new lease; the lease keeps its end.
    pub async fn renew(
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
            return Err(self.deny(&stands, &Wishes::default(), denial).await);
        }
        let asked = Self::request(&lease, caller, ttl);
        let grant = match Self::evaluate(&policies, &lease, &asked) {
            Ok(grant) => grant,
            Err(denial) => return Err(self.deny(&asked, &Wishes::default(), denial).await),
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
            return Err(self.deny(&asked, &Wishes::default(), denial).await);
        };
        let mut renewed = Lease {
            span,
            rule: Arc::clone(&grant.rule),
            ..Lease::clone(&lease)
        };

        self.spend(&self.grants, caller.account())?;
        let event = Event::LeaseRenewed(lease_record::of(&renewed, self.journal.boot_id()));
        let body = self.with_lease_mac(&event, &lease.secret)?;
        let bytes = u32::try_from(body.as_str().len()).unwrap_or(u32::MAX);
        self.spend_bytes(caller.account(), bytes)?;
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

    /// Revokes every live lease that the policies in force no longer allow.
    pub(crate) async fn evaluate_leases(&self) -> Vec<LeaseId> {
        let policies = self.policies.in_force();
        let leases = self.table.list(None, self.journal.now());
        let over = leases
            .iter()
            .filter(|lease| !Self::still_allowed(&policies, lease));
        let ended = self
            .end_leases(over.map(|l| &l.id), None, "no longer allowed by policy")
            .await;
        ended
            .into_iter()
            .map(|ended| ended.lease.id.clone())
            .collect()
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
    use crate::policies::Loaded;
    use broker_clock::Now;
    use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};

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
        InForce::since(Timestamp::UNIX_EPOCH, loaded)
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
