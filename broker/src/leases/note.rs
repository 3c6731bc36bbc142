//! What is sent to the vault once a second: how far the audit log has got, and who was handed what.
//!
//! The head lets the next start tell a cut or exchanged log from a sound one. The figures go in the
//! same transaction, so that a start after a crash counts each grant beyond the head exactly once.

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::{Body, LeaseEvent};
use broker_audit_writer::{LogState, Removal};
use futures_util::future::join_all;

use crate::lease_record;
use crate::leases::Leases;

impl Leases {
    /// Sends it to the vault, which writes it soon after. Nothing is sent while nothing happens.
    pub(crate) fn note_head(&self) {
        // Until removals that the log announces are carried out, the next start must see them again.
        let held = |removal: &Removal| self.vault.held(&removal.secret).is_some();
        let waits = |found: &LogState| found.since_noted.removals.iter().any(held);
        if self.found().as_ref().is_some_and(waits) {
            return;
        }
        let head = self.journal.head();
        let usage = self.usage.take();
        // A grant may be counted only after the head that holds it was noted.
        if !usage.is_empty() || self.vault.noted_head() != Some(head) {
            self.vault.note(head, usage);
        }
    }

    /// Waits until the figures hold every grant so far, for an operator who asks to see them.
    pub(crate) async fn flush_usage(&self) {
        self.note_head();
        if let Err(error) = self.vault.settle().await {
            tracing::warn!(cause = %error, "the vault's figures may be behind");
        }
    }

    /// Counts the grants that the log holds beyond the head last noted.
    pub(crate) fn replay_usage(&self) {
        let granted = self
            .found()
            .as_mut()
            .map(|found| std::mem::take(&mut found.since_noted.granted));
        for body in granted.into_iter().flatten() {
            let Some((covered, mac)) = Body::split_mac(&body) else {
                continue;
            };
            // While locked the MAC cannot be evaluated; these are figures for operators, and the audit
            // log stays the account of record.
            let expected = self.vault.lease_mac(&covered);
            let forged = expected.is_ok_and(|expected| !expected.is(&mac));
            if !forged && let Ok((lease, _boot)) = lease_record::read(&covered) {
                self.usage.granted(&lease);
            }
        }
    }

    /// Closes every minute that is over, and records what was only counted in it.
    pub(crate) fn close_minutes(self: &Arc<Self>) {
        let floods = self.floods(self.journal.now().boot);
        if !floods.is_empty() {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.record_floods(floods).await });
        }
    }

    /// Closes the minutes that are not over as well: nothing is counted after this.
    pub(crate) async fn close_last_minutes(&self) {
        self.record_floods(self.floods(Duration::MAX)).await;
    }

    fn floods(&self, at: Duration) -> Vec<LeaseEvent<'static>> {
        let budgets = [&self.refusals, &self.grants, &self.written];
        budgets.map(|budget| budget.close(at)).concat()
    }

    /// Records how many refusals were only counted; later, if the log cannot be written now.
    async fn record_floods(&self, floods: Vec<LeaseEvent<'static>>) {
        let records = floods
            .iter()
            .map(|flood| self.journal.record_or_trace(flood));
        join_all(records).await;
    }
}
