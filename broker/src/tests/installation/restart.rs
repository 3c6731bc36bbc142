//! Which token a lease holds after a broker was killed, and which tokens then end. One that dies
//! while it asks for an end is killed in `tests/e2e/installation/restart.rs`.

use std::time::Duration;

use serde_json::{Value, json};
use support::forge::{Mac, forged_issue, repeated_grant};
use support::github::Fault;
use support::scenes::log::append;
use support::wait;

use super::{END, MINT, Setting};

const ASK: &str = r#"{"purpose":"acme-import"}"#;

impl Setting {
    fn live(&self) -> Vec<Value> {
        let list = self.broker.http("GET", "/v1/leases", "").json();
        let leases = list["leases"].as_array().unwrap().iter();
        leases.map(|lease| lease["lease"].clone()).collect()
    }

    fn last(&self, kind: &str) -> Value {
        self.broker.home.records_of(kind).pop().unwrap()
    }
}

#[test]
fn a_broker_that_was_killed_revokes_what_is_no_longer_needed_and_honours_the_rest() {
    let setting = Setting::new();
    let short = setting.take(&json!({"ttl": 60, "repositories": ["acme/one"]}));
    let long = setting.take(&json!({"repositories": ["acme/two"]}));
    let clock = setting.broker.clock.clone();
    let setting = setting.killed(|_| clock.advance(Duration::from_secs(60)));
    wait::until(|| !setting.alive(&short));
    assert!(setting.alive(&long));
    // Opened from the vault, and so after a record.
    let used = setting.broker.home.records_of("secret.used");
    assert!(used.iter().any(|used| used["what_for"] == "installation"));
    let again = setting.take(&json!({"repositories": ["acme/two"]}));
    assert_eq!(
        again["token"], long["token"],
        "shared again after the restart"
    );
    setting.revoke(&again, "");
    assert!(
        setting.alive(&long),
        "the lease from before the restart holds it"
    );
    assert_eq!(setting.revoke(&long, "")["token"], "revoked");
    assert!(!setting.alive(&long));
}

#[test]
fn each_lease_holds_again_the_token_it_was_handed_and_no_other_of_its_like() {
    let setting = Setting::new();
    let one = setting.take(&json!({}));
    let two = setting.take(&json!({"fresh": true}));
    let shares_two = setting.take(&json!({}));
    assert_ne!(one["token"], two["token"]);
    assert_eq!(two["token"], shares_two["token"]);
    let setting = setting.killed(|_| {});
    assert_eq!(setting.live().len(), 3);
    assert_eq!(setting.revoke(&one, "")["token"], "revoked");
    assert!(!setting.alive(&one));
    assert_eq!(setting.revoke(&two, "")["token"], "shared");
    assert_eq!(setting.revoke(&shares_two, "")["token"], "revoked");
    assert!(!setting.alive(&two));
}

#[test]
fn p5_a_rebuilt_lease_ends_where_its_token_does() {
    let setting = Setting::new();
    // GitHub's clock is behind: its token ends twenty minutes before the hour that the grant allows.
    setting.github.turn_back(Duration::from_secs(20 * 60));
    let lease = setting.take(&json!({"ttl": 3600}));
    let issued = setting.last("lease.issued");
    assert_eq!(issued["expires_at"], lease["expires_at"]);
    let setting = setting.killed(|_| {});
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    let view = setting.broker.http("GET", &path, "").json();
    for field in ["expires_at", "renewable_until"] {
        assert_eq!(view[field], lease[field], "{field}");
    }
}

#[test]
fn a_lease_of_a_broker_that_ended_while_it_minted_is_over() {
    let setting = Setting::new();
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let _asking = setting.broker.begin("POST", "/v1/leases", ASK);
    setting.github.wait_for_calls(MINT, 1);
    let setting = setting.killed(|_| {});
    setting.github.release();
    assert!(setting.live().is_empty());
    let failed = setting.last("lease.failed");
    assert_eq!(failed["lease"], setting.last("lease.granted")["lease"]);
    let rebuilt = setting.last("leases.rebuilt");
    assert_eq!(
        (&rebuilt["ended"], &rebuilt["refused"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn a_token_whose_answer_was_lost_is_held_by_its_lease_until_that_ends() {
    let setting = Setting::new();
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let asking = setting.broker.begin("POST", "/v1/leases", ASK);
    setting.github.wait_for_calls(MINT, 1);
    asking.abort();
    setting.github.release();
    wait::until(|| setting.broker.home.records_of("lease.issued").len() == 1);
    let setting = setting.killed(|_| {});
    let lease = setting.last("lease.granted");
    assert_eq!(setting.live(), [lease["lease"].clone()]);
    let live = || setting.github.live_tokens();
    assert_eq!(live(), 1);
    assert_eq!(setting.revoke(&lease, "")["token"], "revoked");
    assert_eq!(live(), 0);
}

#[test]
fn a_token_that_was_kept_but_not_issued_is_ended_and_its_lease_is_over() {
    let setting = Setting::new();
    let lease = setting.take(&json!({}));
    // The grant again, and nothing after it: as if the broker had ended before `lease.issued`.
    let setting = setting.killed(|home| append(home, &repeated_grant(home)));
    assert!(setting.live().is_empty());
    assert_eq!(setting.last("lease.failed")["lease"], lease["lease"]);
    wait::until(|| !setting.alive(&lease));
    let issued = setting.last("lease.issued");
    wait::until(|| {
        let revoked = setting.broker.home.records_of("token.revoked");
        revoked.len() == 1 && revoked[0]["hashed_credential"] == issued["hashed_token"]
    });
    assert_ne!(setting.take(&json!({}))["token"], lease["token"]);
}

#[test]
fn a_token_that_has_ended_by_this_machines_clock_is_ended_at_github_all_the_same() {
    let setting = Setting::new();
    setting.github.turn_back(Duration::from_secs(2 * 60 * 60));
    setting.github.fault(Fault::on(END).close_before());
    let problem = setting.refusal();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("set the clock right"), "{detail}");
    let setting = setting.killed(|_| {});
    let live = || setting.github.live_tokens();
    assert_eq!(live(), 1);
    setting.github.heal();
    wait::until(|| live() == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_forged_issue_gives_a_lease_no_token() {
    for mac in [Mac::OfTheGrant, Mac::Absent] {
        let setting = Setting::new();
        let lease = setting.take(&json!({}));
        let hashed = support::github::hashed(lease["token"].as_str().unwrap());
        let setting = setting.killed(|home| {
            append(home, &repeated_grant(home));
            append(home, &forged_issue(home, &hashed, mac));
        });
        assert!(setting.live().is_empty(), "{mac:?}");
        assert_eq!(setting.last("leases.rebuilt")["refused"], 1);
        wait::until(|| !setting.alive(&lease));
    }
}

#[test]
fn a_forged_issue_takes_no_token_from_a_lease_nor_gives_it_another() {
    for mac in [Mac::OfTheGrant, Mac::Absent] {
        let setting = Setting::new();
        let other = setting.take(&json!({"permissions": {"contents": "read"}}));
        let lease = setting.take(&json!({}));
        let hashed = support::github::hashed(other["token"].as_str().unwrap());
        let setting = setting.killed(|home| append(home, &forged_issue(home, &hashed, mac)));
        assert_eq!(setting.live().len(), 2, "{mac:?}");
        assert_eq!(setting.last("leases.rebuilt")["refused"], 1);
        assert_eq!(setting.revoke(&lease, "")["token"], "revoked");
        assert!(!setting.alive(&lease) && setting.alive(&other));
    }
}
