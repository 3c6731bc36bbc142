//! What a caller gets: exactly what its rule gives, recorded before it is handed out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use support::broker::{LABEL_SYNC, like_label_sync, own, own_uid};
use support::github::hashed;
use support::{Home, canary};

use super::super::InProcess;
use super::super::in_process::ready;

fn seconds(from: &Value, to: &Value) -> i64 {
    let at = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    at(to).duration_since(at(from)).as_secs()
}

/// The record with this number, parsed.
fn record(broker: &InProcess, seq: &Value) -> Value {
    let at = usize::try_from(seq.as_u64().unwrap()).unwrap();
    let line = &broker.home.records()[at];
    serde_json::from_str(line).unwrap()
}

#[test]
fn who_asks_for_nothing_in_particular_gets_exactly_what_the_rule_gives() {
    let broker = InProcess::with_label_sync();
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let lease = answer.json();

    assert_eq!(lease["token"], canary::CLASSIC);
    assert_eq!(lease["deliver"], "raw");
    assert_eq!(lease["enforced_by"], "none");
    assert_eq!(lease["purpose"], "label-sync");
    assert_eq!(lease["secret"], "org-label-sync-token");
    assert_eq!(lease["rule"], "label-sync.toml#1");
    assert_eq!(lease["repositories"], json!(["acme/*"]));
    assert_eq!(lease["organization"], Value::Null);
    assert_eq!(
        lease["permissions"],
        json!({"issues": "write", "metadata": "read"})
    );
    assert_eq!(lease["uid"], own_uid());
    assert_eq!(seconds(&lease["issued_at"], &lease["expires_at"]), 900);
    assert_eq!(
        seconds(&lease["issued_at"], &lease["renewable_until"]),
        3600
    );

    let granted = record(&broker, &lease["audit_seq"]);
    assert_eq!(granted["kind"], "lease.granted");
    assert_eq!(granted["seq"], lease["audit_seq"]);
    for field in ["lease", "purpose", "secret", "rule", "expires_at"] {
        assert_eq!(granted[field], lease[field], "{field}");
    }
    assert_eq!(granted["hashed_token"], hashed(canary::CLASSIC));
    assert_eq!(granted["hashed_credential"], hashed(canary::CLASSIC));
    assert_eq!(
        granted["caller"]["pid"],
        std::process::id(),
        "the process on the socket"
    );
}

#[test]
fn who_asks_for_less_gets_that_and_no_more() {
    let broker = InProcess::with_label_sync();
    let answer = broker.lease(
        r#"{"purpose":"label-sync","repositories":["acme/site"],"permissions":{"issues":"read"},"ttl":60}"#,
    );
    assert_eq!(answer.status, 201);
    let lease = answer.json();
    assert_eq!(lease["repositories"], json!(["acme/site"]));
    assert_eq!(lease["permissions"], json!({"issues": "read"}));
    assert_eq!(seconds(&lease["issued_at"], &lease["expires_at"]), 60);
    let granted = record(&broker, &lease["audit_seq"]);
    assert_eq!(granted["repositories"], json!(["acme/site"]));
    assert_eq!(granted["permissions"], json!({"issues": "read"}));
}

#[test]
fn the_longest_lease_is_the_rules_and_not_a_second_more() {
    let broker = InProcess::with_label_sync();
    let lease = broker.lease(r#"{"purpose":"label-sync","ttl":3600}"#);
    assert_eq!(lease.status, 201);
    let lease = lease.json();
    assert_eq!(seconds(&lease["issued_at"], &lease["expires_at"]), 3600);
    let none = broker.lease(r#"{"purpose":"label-sync","ttl":0}"#);
    assert_eq!(
        (none.status, &none.json()["code"]),
        (400, &json!("bad_request"))
    );
}

#[test]
fn a_lease_for_an_organisation_names_it() {
    let home = ready();
    let policy = LABEL_SYNC.replace(r#"repositories = ["acme/*"]"#, r#"organization = "acme""#);
    home.policy("label-sync.toml", &own(&policy));
    let broker = InProcess::start(home);
    broker.set("org-label-sync-token", canary::CLASSIC);
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    assert_eq!(lease["organization"], "acme");
    assert_eq!(lease["repositories"], json!([]));
    let other = broker.lease(r#"{"purpose":"label-sync","organization":"other"}"#);
    assert_eq!(other.json()["code"], "too_wide");
}

#[test]
fn a_reason_is_recorded_in_the_callers_own_words() {
    let broker = InProcess::with_label_sync();
    let reason = "nightly – \"quoted\" \\ done";
    let body = json!({"purpose": "label-sync", "reason": reason}).to_string();
    let lease = broker.lease(&body).json();
    assert_eq!(record(&broker, &lease["audit_seq"])["reason"], reason);

    let body = json!({"purpose": "label-sync", "reason": reason, "ttl": 99_999}).to_string();
    assert_eq!(broker.lease(&body).status, 403);
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["reason"], reason);
}

#[test]
fn a_reason_that_holds_a_token_or_no_plain_text_is_refused_and_recorded_nowhere() {
    let broker = InProcess::with_label_sync();
    let before = broker.home.records().len();
    let long = "x".repeat(201);
    let padded = format!("for {} again", canary::FINE_GRAINED);
    for reason in [canary::CLASSIC_TWO, &padded, &long, "two\nlines", "\u{7}"] {
        let body = json!({"purpose": "label-sync", "reason": reason}).to_string();
        let answer = broker.lease(&body);
        assert_eq!(answer.status, 400, "{reason}");
        assert_eq!(answer.json()["code"], "bad_request");
        assert!(!canary::is_in(&answer.body, canary::CLASSIC_TWO));
        assert!(!canary::is_in(&answer.body, canary::FINE_GRAINED));
    }
    assert_eq!(broker.home.records().len(), before, "nothing was granted");
    for token in [canary::CLASSIC_TWO, canary::FINE_GRAINED] {
        assert_eq!(canary::files_with(broker.home.path(), token), [""; 0]);
    }
    let fits = json!({"purpose": "label-sync", "reason": "x".repeat(200)}).to_string();
    assert_eq!(broker.lease(&fits).status, 201);
}

/// A purpose whose secret is in a file: its value is not known before it is read.
fn home_with_a_file() -> (Home, PathBuf) {
    let home = ready();
    let path = home.path().join("token");
    let declared = format!(
        "[secret.file-token]\nkind = \"classic\"\nsource = \"file:{}\"\n",
        path.display()
    );
    home.policy("file.toml", &declared);
    let purpose = like_label_sync("from-file", "file-token");
    home.policy("from-file.toml", &purpose);
    fs::write(&path, canary::CLASSIC_TWO).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (home, path)
}

#[test]
fn a_value_that_was_not_known_is_recorded_a_second_time_before_it_is_handed_out() {
    let broker = InProcess::start(home_with_a_file().0);
    let answer = broker.lease(r#"{"purpose":"from-file"}"#);
    assert_eq!(answer.status, 201);
    let lease = answer.json();
    assert_eq!(lease["token"], canary::CLASSIC_TWO);

    let granted = record(&broker, &lease["audit_seq"]);
    assert_eq!(granted["kind"], "lease.granted");
    assert!(granted.get("hashed_token").is_none(), "not known yet");
    let issued = broker.home.records_of("lease.issued");
    assert_eq!(issued.len(), 1);
    assert_eq!(issued[0]["lease"], lease["lease"]);
    assert_eq!(issued[0]["hashed_token"], hashed(canary::CLASSIC_TWO));
    assert_eq!(issued[0]["hashed_credential"], hashed(canary::CLASSIC_TWO));
    assert!(issued[0]["seq"].as_u64() > granted["seq"].as_u64());
}

#[test]
fn a_value_that_was_recorded_a_second_time_keeps_its_lease_over_a_restart() {
    let broker = InProcess::start(home_with_a_file().0);
    let lease = broker.lease(r#"{"purpose":"from-file"}"#).json();
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    let before = broker.http("GET", &path, "").json();
    let broker = broker.killed(|_| {});
    assert_eq!(broker.http("GET", &path, "").json(), before);
}

#[test]
fn a_source_that_gives_nothing_ends_the_granted_lease_in_the_log() {
    for empty in [false, true] {
        let (home, path) = home_with_a_file();
        if empty {
            fs::write(&path, "").unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let broker = InProcess::start(home);
        let answer = broker.lease(r#"{"purpose":"from-file"}"#);
        assert_eq!(answer.status, 502);
        assert_eq!(answer.json()["code"], "source_unavailable");
        let granted = broker.home.records_of("lease.granted");
        let failed = broker.home.records_of("lease.failed");
        assert_eq!((granted.len(), failed.len()), (1, 1));
        assert_eq!(failed[0]["lease"], granted[0]["lease"]);
        assert_eq!(failed[0]["code"], "source_unavailable");
        let live = broker.http("GET", "/v1/leases", "").json();
        assert_eq!(live, json!({"leases": []}));
    }
}

#[test]
fn a_secret_without_a_value_says_how_to_set_one() {
    let broker = InProcess::start(ready());
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    let problem = answer.json();
    assert_eq!(
        (answer.status, &problem["code"]),
        (409, &json!("secret_missing"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("tokenctl secret set org-label-sync-token"));
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["code"], "secret_missing");
    assert!(broker.home.records_of("lease.granted").is_empty());
}

/// A broker whose secret ends this many seconds from now.
fn with_secret_that_ends(seconds: i64) -> (InProcess, Timestamp) {
    let broker = InProcess::start(ready());
    let started = broker.http("GET", "/v1/status", "").json()["broker"]["started_at"].clone();
    let started: Timestamp = started.as_str().unwrap().parse().unwrap();
    let ends = started + seconds.seconds();
    let body = json!({"value": canary::CLASSIC, "expires_at": ends}).to_string();
    broker.done("PUT", "/v1/secrets/org-label-sync-token", &body);
    (broker, ends)
}

#[test]
fn an_expired_secret_is_not_handed_out() {
    let (broker, _) = with_secret_that_ends(-1);
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["code"], "secret_expired");
    assert!(!canary::is_in(&answer.body, canary::CLASSIC));
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["code"], "secret_expired");
    assert!(broker.home.records_of("lease.granted").is_empty());
}

#[test]
fn a_lease_never_outlives_the_secret_behind_it() {
    let (broker, ends) = with_secret_that_ends(300);
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    for end in ["expires_at", "renewable_until"] {
        let end: Timestamp = lease[end].as_str().unwrap().parse().unwrap();
        assert!(end <= ends, "{end} is after {ends}");
    }
    let path = format!("/v1/leases/{}/renew", lease["lease"].as_str().unwrap());
    let renewed = broker.http("POST", &path, r#"{"ttl":3600}"#).json();
    let end: Timestamp = renewed["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(end <= ends, "{end} is after {ends}");
}

#[test]
fn p8_who_asks_for_more_is_refused_and_never_given_less_instead() {
    let broker = InProcess::with_label_sync();
    let wider = [
        r#""repositories":["other/site"]"#,
        r#""repositories":["acme/site","other/site"]"#,
        r#""repositories":[]"#,
        r#""organization":"acme""#,
        r#""permissions":{"issues":"admin"}"#,
        r#""permissions":{"issues":"read","contents":"read"}"#,
        r#""permissions":{}"#,
        r#""ttl":3601"#,
        r#""ttl":18446744073709551615"#,
    ];
    for more in wider {
        let answer = broker.lease(&format!(r#"{{"purpose":"label-sync",{more}}}"#));
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (403, &json!("too_wide")));
        assert!(!canary::is_in(&answer.body, canary::CLASSIC));
    }
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied.len(), wider.len());
    for record in denied {
        assert_eq!(record["code"], "too_wide");
        assert_eq!(record["rule"], "label-sync.toml#1");
    }
    assert!(broker.home.records_of("lease.granted").is_empty());
    let live = broker.http("GET", "/v1/leases", "").json();
    assert_eq!(live, json!({"leases": []}));
}
