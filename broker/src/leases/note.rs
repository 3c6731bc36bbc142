//! What the vault is told once a second: how far the audit log has got, and who was handed what.
//!
//! The head lets the next start tell a cut or exchanged log from a sound one. The figures go in the
//! same transaction, so that a start after a crash counts each grant beyond the head exactly once.

use std::sync::{Arc, PoisonError};

use broker_audit::record::{self, Body, LeaseEvent};
use broker_audit_writer::Removal;
use futures_util::future::join_all;

use crate::lease_record;
use crate::leases::Leases;
use crate::leases::budget::{Budget, Flood};

impl Leases {
    /// Tells the vault, which writes it soon after. Nothing is told while nothing happens.
    pub(crate) fn note_head(&self) {
        // Until removals that the log announces are carried out, the next start must see them again.
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |removal: &Removal| self.vault.held(&removal.secret).is_some();
        if found
            .as_ref()
            .is_some_and(|found| found.announced.removals.iter().any(held))
        {
            return;
        }
        drop(found);
        let head = self.journal.head();
        let usage = self.usage.take();
        // A grant may be counted only after the head that holds it was noted.
        if !usage.is_empty() || self.vault.noted_head() != Some(head) {
            self.vault.note(head, usage);
        }
    }

    /// Waits until the figures hold every grant so far, for whoever asks to see them.
    pub(crate) async fn flush_usage(&self) {
        self.note_head();
        if let Err(error) = self.vault.settle().await {
            tracing::warn!(cause = %error, "the vault's figures may be behind");
        }
    }

    /// Counts the grants that the log holds beyond the head last noted.
    pub(crate) fn replay_usage(&self, granted: &[Box<str>]) {
        for body in granted {
            let Some((covered, mac)) = Body::split_mac(body) else {
                continue;
            };
            // While locked the MAC cannot be evaluated; these are figures for operators, and the audit
            // log stays the account of record.
            if self
                .vault
                .verify_lease_mac(&covered, &mac)
                .is_ok_and(|genuine| !genuine)
            {
                continue;
            }
            let line = format!("{{{covered}");
            let lease = serde_json::from_str::<record::Lease<'_>>(&line)
                .ok()
                .and_then(|record| lease_record::read(&record).ok());
            if let Some((lease, _)) = lease {
                self.usage.granted(&lease);
            }
        }
    }

    /// Closes every minute that is over, and records what was only counted in it.
    pub(crate) fn close_minutes(self: &Arc<Self>) {
        let now = self.journal.now();
        let budgets = [&self.refusals, &self.grants, &self.written];
        let counted = budgets.map(|budget| budget.close(now)).concat();
        if !counted.is_empty() {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.record_floods(counted).await });
        }
    }

    /// Closes the minutes that are not over as well: nothing is counted after this.
    pub(crate) async fn close_last_minutes(&self) {
        let budgets = [&self.refusals, &self.grants, &self.written];
        self.record_floods(budgets.map(Budget::close_all).concat())
            .await;
    }

    /// Records how many refusals were only counted; later, if the log cannot be written now.
    async fn record_floods(&self, floods: Vec<Flood>) {
        let records = floods.iter().map(|flood| async move {
            let event = LeaseEvent::DeniedMore {
                uid: flood.uid,
                count: flood.count,
                since: flood.since,
            };
            self.journal.record_or_trace(&event).await
        });
        join_all(records).await;
    }
}
