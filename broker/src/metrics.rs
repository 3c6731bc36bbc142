//! Figures for a scraper, in Prometheus' text form.
//!
//! Counters are raised where things happen; what can be read off the broker's state is read when
//! asked for.

use broker_policy::Terms;
use metrics::{Counter, counter, describe_counter, describe_gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Sets up the recorder for this process.
///
/// # Errors
///
/// If one was set up before.
pub fn init() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_counter!(
        "tokend_leases_granted_total",
        "Leases granted, by purpose and delivery"
    );
    describe_counter!(
        "tokend_leases_revoked_total",
        "Leases ended before their time"
    );
    describe_counter!(
        "tokend_leases_expired_total",
        "Leases that reached their end"
    );
    describe_counter!("tokend_refusals_total", "Requests refused, by code");
    describe_gauge!("tokend_leases_live", "Live leases");
    describe_gauge!("tokend_audit_records", "Records in the audit log");
    describe_gauge!(
        "tokend_audit_faulty",
        "1 if the audit log cannot be written"
    );
    describe_gauge!(
        "tokend_socket_lost",
        "1 if the socket is gone and no caller can connect"
    );
    describe_gauge!("tokend_locked", "1 if the store is locked");
    describe_gauge!(
        "tokend_secret_deadline_seconds",
        "When a secret must be rotated, Unix time"
    );
    describe_gauge!("tokend_secret_state", "1 for the state a secret is in");
    describe_counter!(
        "tokend_source_reads_total",
        "Values asked for in 1Password or the keyring, by what came of it"
    );
    describe_counter!(
        "tokend_stale_leases_total",
        "Leases on a value that was past its time because its source was down"
    );
    describe_gauge!(
        "tokend_secret_stale_seconds",
        "How long a value has been past its time; 0 while it is not"
    );
    describe_gauge!(
        "tokend_source_requests_today",
        "Requests to 1Password within 24 hours that count against a service account"
    );
    describe_counter!(
        "tokend_traces_dropped_total",
        "Traces dropped because standard error took none"
    );
    describe_counter!("tokend_warnings_total", "Warnings given, by kind");
    describe_gauge!(
        "tokend_warnings_waiting",
        "Warnings that the hook or the webhook has yet to hear of"
    );
    describe_gauge!(
        "tokend_secret_check",
        "1 for what the last check of a secret found at worst"
    );
    describe_gauge!(
        "tokend_secret_checked_seconds",
        "When GitHub last answered a check of a secret, Unix time"
    );
    describe_counter!(
        "tokend_secret_checks_total",
        "Checks of secrets against GitHub, by what they found at worst"
    );
    Ok(handle)
}

/// Counts leases of a purpose; there from the first, so that a scraper sees it rise from zero.
pub(crate) fn granted(purpose: &Terms) -> Counter {
    counter!(
        "tokend_leases_granted_total",
        "purpose" => purpose.purpose.as_str().to_owned(),
        "deliver" => purpose.deliver.as_str()
    )
}
