//! Ends leases: by time, with their caller, on request, or because policies no longer allow them.
//!
//! An end takes effect at once and is recorded as soon as the audit log can be written.

use std::sync::Arc;

use broker_audit::record::LeaseEvent;
use broker_policy::Caller;
use broker_protocol::api::{Revoked, TokenEnd};
use broker_protocol::names::{Delivery, LeaseId};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::caller::ExitWatch;
use crate::lease::Lease;
use crate::lease_record;
use crate::leases::Leases;

/// What became of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) lease: Arc<Lease>,
    /// Whether the end is in the audit log already.
    pub(crate) recorded: bool,
}

impl Ended {
    /// What ending this lease did not do.
    pub(crate) fn warning(&self) -> Option<String> {
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
    pub(crate) async fn revoke(
        self: &Arc<Self>,
        id: &LeaseId,
        by: &Arc<Caller>,
        at_once: bool,
    ) -> Option<Revoked> {
        let tokens = &self.minting.tokens;
        let held = tokens.held_by(id);
        let held = held.map(|token| token.minted.hashed_credential);
        // Its caller never had the token: others may go on with it.
        let stays = self.table.proxied_by(id).is_some();
        let at_once = at_once && !stays;
        // Before anything is awaited: from here on no one else gets hold of it, nor ends it first.
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
        let token = token.filter(|end| !(stays && *end == TokenEnd::Shared));
        Some(Revoked {
            lease: id.clone(),
            warning: ended.warning(),
            token,
            also_ended,
            recorded: ended.recorded,
        })
    }

    /// Ends a live lease before its time. `None` if it is not live.
    pub(crate) async fn end_lease(
        &self,
        id: &LeaseId,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Option<Ended> {
        self.end_leases([id], by, why).await.pop()
    }

    /// Ends these leases before their time: those of them that are live.
    pub(crate) async fn end_leases(
        &self,
        ids: impl IntoIterator<Item = &LeaseId>,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Vec<Ended> {
        let ended = self.end_in_table(ids);
        self.record_ends(ended, Vec::new(), by, why).await
    }

    /// Ends these leases, as far as nothing is awaited for it.
    pub(crate) fn end_in_table<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a LeaseId>,
    ) -> Vec<Arc<Lease>> {
        let ended = ids.into_iter().filter_map(|id| self.table.end(id));
        let ended: Vec<_> = ended.collect();
        for lease in &ended {
            self.minting.tokens.release(&lease.id, None);
        }
        ended
    }

    /// Sees to it that leases that have ended stay so. `tombstones` get no more than a tombstone: their
    /// records come later, or from another task.
    pub(crate) async fn record_ends(
        &self,
        ended: Vec<Arc<Lease>>,
        tombstones: Vec<(LeaseId, Timestamp)>,
        by: Option<&Caller>,
        why: &'static str,
    ) -> Vec<Ended> {
        if ended.is_empty() && tombstones.is_empty() {
            return Vec::new();
        }
        // Tombstones, so that a cut tail of the log revives nothing. If they cannot be written the
        // leases have ended all the same, and the log has their end.
        let tombstones = ended
            .iter()
            .map(|l| (l.id.clone(), l.span.renewable.wall))
            .chain(tombstones)
            .collect();
        if let Err(error) = self
            .vault
            .write_tombstones(tombstones, self.journal.now().wall)
            .await
        {
            tracing::error!(cause = %error, "a revocation left no tombstone in the vault");
        }
        // Together, so that they share their syncs.
        join_all(ended.into_iter().map(|lease| async move {
            let event = LeaseEvent::Revoked {
                lease: lease.id.as_str(),
                purpose: lease.purpose.as_str(),
                secret: lease.secret.as_str(),
                by: by.map(lease_record::caller),
                why,
            };
            self.counters.revoked.inc();
            let recorded = self.journal.record_end(&event, &lease.id).await;
            Ended { lease, recorded }
        }))
        .await
    }

    /// Ends every lease whose time is over, at once. The records follow: a disk that hangs keeps no
    /// lease alive.
    pub(crate) fn expire_leases(self: &Arc<Self>) {
        let over = self.table.expire(self.journal.now());
        if over.is_empty() {
            return;
        }
        for lease in &over {
            self.minting.tokens.release(&lease.id, None);
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            join_all(over.iter().map(|lease| this.record_expiry(lease, "ttl"))).await;
        });
    }

    /// Ends a lease when the process that took it has exited. Until then the watch costs a
    /// descriptor; it goes when the lease ends otherwise, or a process that lives long and takes
    /// many would use them all up.
    pub(crate) fn end_with_caller(self: &Arc<Self>, watch: ExitWatch, id: LeaseId) {
        let Some(over) = self.table.until_over(&id) else {
            return;
        };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = watch.exited() => {}
                () = over.over() => return,
            }
            if let Some(lease) = this.table.end(&id) {
                this.record_expiry(&lease, "caller_exit").await;
            }
        });
    }

    /// Whether it is in the log already.
    pub(crate) async fn record_expiry(&self, lease: &Lease, why: &'static str) -> bool {
        self.counters.expired.inc();
        self.minting.tokens.release(&lease.id, None);
        let event = LeaseEvent::Expired {
            lease: lease.id.as_str(),
            purpose: lease.purpose.as_str(),
            secret: lease.secret.as_str(),
            why,
        };
        self.journal.record_end(&event, &lease.id).await
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
}
