//! P2, P8: nothing is handed out that is not recorded, nor more than a rule gives. The rest of what a caller
//! gets is tested in process, in `broker/src/tests/leases/issue.rs`.

use std::fs;

use serde_json::json;
use support::{TestBroker, canary, needs, wait};

#[test]
fn p8_who_asks_for_more_is_refused_and_never_given_less_instead() {
    let broker = TestBroker::with_label_sync();
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

/// Nothing is handed out, ends take effect all the same, and after `fix` all is as it was.
fn refuses_until_fixed(broker: &TestBroker, fix: impl FnOnce()) {
    let lease = broker.http("GET", "/v1/leases", "").json()["leases"][0]["lease"].clone();
    let lease = lease.as_str().unwrap();

    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "audit_unavailable");
    assert!(!canary::is_in(&answer.body, canary::CLASSIC));
    let get = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!((get.code(), get.stdout.as_str()), (Some(6), ""));
    let ready = broker.http("GET", "/readyz", "");
    assert_eq!(ready.status, 503);
    assert!(
        ready.json()["reasons"]
            .to_string()
            .contains("the audit log")
    );
    let status = broker.http("GET", "/v1/status", "").json();
    assert!(status["broker"]["audit_fault"].is_string());
    assert_eq!(broker.http("GET", "/healthz", "").status, 200);

    let path = format!("/v1/leases/{lease}");
    let renewed = broker.http("POST", &format!("{path}/renew"), "");
    assert_eq!(renewed.json()["code"], "audit_unavailable");
    assert_eq!(
        broker.http("GET", &path, "").status,
        200,
        "it keeps its end"
    );
    let revoked = broker.http("DELETE", &path, "");
    assert_eq!(revoked.status, 200);
    assert_eq!(revoked.json()["recorded"], false);
    assert_eq!(
        broker.http("GET", &path, "").status,
        404,
        "it has ended all the same"
    );

    fix();
    wait::until(|| broker.http("GET", "/readyz", "").status == 200);
    let ended = broker.home.records_of("lease.revoked");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["lease"], lease);
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.json()["token"],
        canary::CLASSIC,
        "what was refused did not happen"
    );
    broker.home.ctl(&["audit", "verify"]).success();
}

#[test]
fn p2_nothing_is_handed_out_while_the_segment_is_gone() {
    let broker = TestBroker::with_label_sync();
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let segment = broker.home.places.audit.join("00000000000000000000.jsonl");
    let away = broker.home.path().join("away");
    fs::rename(&segment, &away).unwrap();
    let set = broker.home.ctl_with(
        &["secret", "set", "org-label-sync-token"],
        canary::CLASSIC_TWO,
    );
    assert_eq!(set.code(), Some(6));
    refuses_until_fixed(&broker, || fs::rename(&away, &segment).unwrap());
}

#[test]
fn p2_nothing_is_handed_out_when_files_may_not_grow() {
    if !needs::program("prlimit") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let limit = |soft: &str| {
        let mut prlimit = broker.home.command("prlimit".as_ref());
        prlimit.args(["--pid", &broker.pid().to_string()]);
        support::broker::Ran::of(prlimit.arg(format!("--fsize={soft}:"))).success();
    };
    limit("512");
    refuses_until_fixed(&broker, || limit("unlimited"));
}
