//! Other hands on the log while the broker runs.

use std::fs;

use broker_audit::segment::content;
use support::forge::forged_grant;
use support::scenes::log::refuses_until_fixed;
use support::{canary, wait};

use super::*;

/// Waits until the log takes records again by itself, and takes a lease.
fn lease_once_fixed(broker: &InProcess) -> String {
    wait::until(|| not_ready(broker).is_none());
    lease(broker)
}

#[test]
fn p2_nothing_is_handed_out_while_the_segment_is_gone() {
    let broker = InProcess::with_label_sync();
    lease(&broker);
    let segment = last_segment(&broker.home);
    let aside = broker.home.path().join("aside");
    fs::rename(&segment, &aside).unwrap();
    let set = serde_json::json!({ "value": canary::CLASSIC_TWO }).to_string();
    let set = broker.http("PUT", "/v1/secrets/org-label-sync-token", &set);
    assert_eq!(set.json()["code"], "audit_unavailable", "{set:?}");
    refuses_until_fixed(&broker, || fs::rename(&aside, &segment).unwrap());
    broker.assert_log_verifies();
}

#[test]
fn a_log_deleted_under_the_broker_refuses_until_that_very_file_is_back() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    let segment = last_segment(&broker.home);
    let aside = broker.home.path().join("aside");
    fs::rename(&segment, &aside).unwrap();
    no_token(&broker, "audit_unavailable", &[]);
    says(
        &not_ready(&broker).unwrap(),
        &["was deleted or replaced", "put that very file back"],
    );
    fs::rename(&aside, &segment).unwrap();
    let mut both = vec![held, lease_once_fixed(&broker)];
    both.sort();
    let broker = broker.killed(|_| {});
    assert_eq!(live(&broker), both);
}

#[test]
fn a_log_deleted_for_good_is_refused_at_the_next_start_too_until_a_new_one_is_begun() {
    let broker = InProcess::with_label_sync();
    lease(&broker);
    fs::remove_file(last_segment(&broker.home)).unwrap();
    no_token(&broker, "audit_unavailable", &[]);
    let home = refused(broker.stop(), &["audit", "--new-audit-log"]);
    let home = refused(home, &["audit", "--new-audit-log"]);
    begin_a_new_log(&home);
    let broker = InProcess::start(home);
    assert_eq!(
        live(&broker),
        [""; 0],
        "leases of the lost log are not honoured"
    );
    lease(&broker);
    broker.assert_log_verifies();
}

#[test]
fn a_log_cut_under_the_broker_refuses_and_says_what_is_missing() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    let segment = last_segment(&broker.home);
    let whole = fs::read(&segment).unwrap();
    cut(&segment, content(&whole).len() - 100);
    no_token(&broker, "audit_unavailable", &[]);
    // The fault is found at once; what to do is known when the log was read back.
    wait::until(|| not_ready(&broker).is_some_and(|why| why.contains("put the audit log back")));
    says(&not_ready(&broker).unwrap(), &["audit log"]);
    assert_eq!(live(&broker), [held], "what was acknowledged stays");
    fs::write(&segment, whole).unwrap();
    lease_once_fixed(&broker);
}

#[test]
fn a_grant_appended_under_the_broker_with_a_good_chain_is_moved_aside_and_makes_no_lease() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    let (line, forged) = forged_grant(&broker.home);
    append(&broker.home, &line);
    assert_eq!(live(&broker), std::slice::from_ref(&held));
    // The next request is refused, because it is then that it is noticed.
    says(
        &String::from_utf8(broker.lease(ASK).body).unwrap(),
        &["audit_unavailable"],
    );
    let mut leases = vec![held, lease_once_fixed(&broker)];
    leases.sort();
    assert_eq!(live(&broker), leases);

    let torn = files_ending(&broker.home.places.audit, ".torn");
    assert_eq!(fs::read(&torn[0]).unwrap(), line, "kept as evidence");
    let recovered = broker.home.records_of("log.recovered");
    says(
        recovered[0]["why"].as_str().unwrap(),
        &["changed by another program"],
    );
    let broker = broker.killed(|_| {});
    assert_eq!(live(&broker), leases);
    assert!(!broker.home.records().concat().contains(&forged));
}
