//! The figures as they stand.

use broker_protocol::check::Verdict;
use metrics::{counter, gauge};

use super::Status;

impl Status {
    /// All figures as they stand, in Prometheus' text form.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        gauge!("tokend_leases_live").set(figure(self.leases.live().len() as u64));
        gauge!("tokend_audit_records").set(figure(self.journal.head().records));
        gauge!("tokend_audit_faulty").set(flag(self.journal.fault().is_some()));
        gauge!("tokend_socket_lost").set(flag(self.socket_fault().is_some()));
        gauge!("tokend_locked").set(flag(self.vault.is_locked()));
        for secret in self.secrets() {
            let name = secret.name.as_str().to_owned();
            if let Some(deadline) = secret.deadline {
                gauge!("tokend_secret_deadline_seconds", "secret" => name.clone())
                    .set(figure(u64::try_from(deadline.as_second()).unwrap_or(0)));
            }
            // Also while there is none: a figure that is not set stays what it was.
            if secret.source.starts_with("op://") || secret.source.starts_with("keyring:") {
                let stale = secret.stale_since.map_or(0, |since| {
                    self.journal
                        .now()
                        .wall
                        .duration_since(since)
                        .as_secs()
                        .max(0)
                });
                gauge!("tokend_secret_stale_seconds", "secret" => name.clone())
                    .set(figure(u64::try_from(stale).unwrap_or(0)));
            }
            if let Some(check) = &secret.check {
                for verdict in [Verdict::Ok, Verdict::Warning, Verdict::Error] {
                    let word = verdict.as_str();
                    gauge!("tokend_secret_check", "secret" => name.clone(), "verdict" => word)
                        .set(flag(verdict == check.verdict));
                }
                gauge!("tokend_secret_checked_seconds", "secret" => name.clone()).set(figure(
                    u64::try_from(check.checked_at.as_second()).unwrap_or(0),
                ));
            }
            for state in ["ok", "due", "overdue", "expired", "missing"] {
                gauge!("tokend_secret_state", "secret" => name.clone(), "state" => state)
                    .set(flag(state == secret.state.as_str()));
            }
        }
        let (requests, _) = self.sources.requests_in_a_day(self.journal.now());
        gauge!("tokend_source_requests_today").set(figure(requests.into()));
        counter!("tokend_traces_dropped_total").absolute(self.process.traces.dropped());
        for channel in self.warnings.standing() {
            gauge!("tokend_warnings_waiting", "channel" => channel.channel)
                .set(figure(channel.waiting));
        }
        self.process.metrics.render() + &self.limits.github_figures()
    }
}

/// Prometheus counts in floating point; above 2^53 a figure is rounded.
#[expect(
    clippy::cast_precision_loss,
    reason = "that is the exposition format's own limit"
)]
const fn figure(number: u64) -> f64 {
    number as f64
}

const fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}
