//! A lease from its grant to its end, with a value from the vault.

mod deny;
mod issue;
mod old_copies;
mod rejected;
mod reload;
mod restart;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use support::broker::own_uid;
use support::scenes::leases::{at, is_live, only, path_of, policy, take};
use support::{canary, wait};

use super::InProcess;
use super::in_process::ready;

fn own() -> String {
    format!("{{ uid = {} }}", own_uid())
}

fn with_ttl(ttl: &str) -> InProcess {
    let home = ready();
    home.policy("label-sync.toml", &policy(&own(), ttl));
    let broker = InProcess::start(home);
    broker.set("org-label-sync-token", canary::CLASSIC);
    broker
}

#[test]
fn p5_a_lease_ends_when_its_time_is_over_and_that_is_recorded() {
    let broker = InProcess::with_label_sync();
    let short = take(&broker, r#","ttl":60"#);
    let long = take(&broker, "");
    broker.clock.advance(Duration::from_secs(58));
    assert!(is_live(&broker, &short));
    broker.clock.advance(Duration::from_secs(2));
    assert!(!is_live(&broker, &short), "before anything sweeps");
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
    assert!(!is_live(&broker, &short));
    assert!(is_live(&broker, &long));
    let expired = only(&broker.home, "lease.expired", &short);
    assert_eq!(expired["why"], "ttl");
    let granted = &broker.home.records_of("lease.granted")[0];
    assert!(at(&expired["time"]) >= at(&granted["expires_at"]));
}

#[test]
fn p5_renewals_end_where_the_first_grant_said_they_would() {
    let broker = InProcess::with_label_sync();
    let first = broker.lease(r#"{"purpose":"label-sync","ttl":60}"#).json();
    let renew = |body: &str| broker.http("POST", &format!("{}/renew", path_of(&first)), body);

    let renewed = renew("").json();
    assert_eq!(renewed["lease"], first["lease"]);
    assert!(at(&renewed["expires_at"]) > at(&first["expires_at"]));
    let mut audit_seq = renewed["audit_seq"].clone();
    for _ in 0..3 {
        let renewed = renew(r#"{"ttl":3600}"#).json();
        assert_eq!(renewed["issued_at"], first["issued_at"]);
        assert!(at(&renewed["expires_at"]) <= at(&first["renewable_until"]));
        assert!(at(&renewed["renewable_until"]) <= at(&first["renewable_until"]));
        audit_seq = renewed["audit_seq"].clone();
    }
    let records = broker.home.records_of("lease.renewed");
    assert_eq!(records.len(), 4);
    assert_eq!(records[3]["seq"], audit_seq);
}

#[test]
fn a_revoked_lease_is_gone_at_once_and_the_answer_says_what_that_did_not_do() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, "");
    let answer = broker.http("DELETE", &lease, "");
    assert_eq!(answer.status, 200);
    let revoked = answer.json();
    assert_eq!(revoked["recorded"], true);
    let warning = revoked["warning"].as_str().unwrap();
    assert!(warning.contains("still holds `org-label-sync-token`"));
    assert!(!is_live(&broker, &lease));
    let record = only(&broker.home, "lease.revoked", &lease);
    assert_eq!(record["by"]["pid"], std::process::id());

    let again = broker.http("DELETE", &lease, "");
    assert_eq!(
        (again.status, &again.json()["code"]),
        (404, &json!("unknown_lease"))
    );
    let renewed = broker.http("POST", &format!("{lease}/renew"), "");
    assert_eq!(renewed.status, 404);
}

#[test]
fn p5_what_was_renewed_to_the_last_second_cannot_be_renewed_again() {
    let broker = with_ttl(r#"{ default = "1m", max = "2m" }"#);
    let lease = take(&broker, r#","ttl":120"#);
    let renew = || broker.http("POST", &format!("{lease}/renew"), "");
    broker.clock.advance(Duration::from_secs(100));
    assert_eq!(renew().status, 200);
    // Less than a second is left, and then it expires.
    broker.clock.advance(Duration::from_millis(19_500));
    assert_ne!(renew().status, 200);
    broker.clock.advance(Duration::from_secs(1));
    assert!(!is_live(&broker, &lease));
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
    let granted = broker.home.records_of("lease.granted");
    let end = at(&granted[0]["renewable_until"]);
    for renewed in broker.home.records_of("lease.renewed") {
        assert!(at(&renewed["expires_at"]) <= end);
    }
}

#[test]
fn a_renewal_that_asks_too_much_is_refused_and_the_lease_keeps_its_end() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, "");
    let before = broker.http("GET", &lease, "").json();
    let answer = broker.http("POST", &format!("{lease}/renew"), r#"{"ttl":3601}"#);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("too_wide"))
    );
    assert_eq!(broker.http("GET", &lease, "").json(), before);
    assert!(broker.home.records_of("lease.renewed").is_empty());
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["code"], "too_wide");
}
