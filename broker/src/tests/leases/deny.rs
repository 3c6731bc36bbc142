//! What a caller does not get, and what it cannot learn by asking.

use serde_json::{Value, json};
use support::accounts::{shown, three_accounts};
use support::canary;
use support::http::Answer;

use super::super::in_process::ready;
use super::super::{ALICE, BOB, InProcess};

fn with_secret(broker: &InProcess) {
    broker.set("org-label-sync-token", canary::CLASSIC);
}

#[test]
fn p7_a_purpose_that_is_not_yours_looks_like_one_that_does_not_exist() {
    let broker = InProcess::start(three_accounts(ready()));
    with_secret(&broker);
    let bodies = [
        r#"{"purpose":"NAME"}"#,
        r#"{"purpose":"NAME","permissions":{"issues":"admin"},"ttl":999999}"#,
        r#"{"purpose":"NAME","repositories":["other/site"],"reason":"why not"}"#,
    ];
    for body in bodies {
        let ask = |name| {
            let answer = broker.http_as(ALICE, "POST", "/v1/leases", &body.replace("NAME", name));
            assert_eq!(answer.status, 403);
            assert_eq!(answer.json()["code"], "denied");
            shown(&answer, name)
        };
        assert_eq!(ask("job-bobs"), ask("job-none"));
        assert_eq!(ask("job-mine"), ask("job-none"));
    }
    let show = |name| {
        let answer = broker.http_as(ALICE, "GET", &format!("/v1/purposes/{name}"), "");
        assert_eq!(answer.status, 403);
        shown(&answer, name)
    };
    assert_eq!(show("job-bobs"), show("job-none"));

    // Only operators get to know why.
    for name in ["job-alic", "job-bobs", "job-none", "not a name"] {
        let body = format!(r#"{{"purpose":"{name}"}}"#);
        let answer = broker.http_as(ALICE, "POST", "/v1/policies/explain", &body);
        let detail = &answer.json()["detail"];
        assert_eq!(
            (answer.status, detail),
            (403, &json!("only operators may do this"))
        );
    }

    // The log tells an operator which it was.
    let why: Vec<_> = broker
        .home
        .records_of("lease.denied")
        .iter()
        .map(|record| record["why"].clone())
        .collect();
    assert_eq!(&why[..2], ["no rule matches the caller", "no such purpose"]);
}

#[test]
fn p7_a_secret_without_a_value_shows_only_to_those_a_rule_speaks_for() {
    let broker = InProcess::start(three_accounts(ready()));
    let ask = |uid, name: &str| {
        let body = format!(r#"{{"purpose":"{name}"}}"#);
        broker.http_as(uid, "POST", "/v1/leases", &body)
    };
    assert_eq!(
        ask(BOB, "job-bobs").json()["code"],
        "secret_missing",
        "there is nothing to hand out"
    );
    let (theirs, none) = (ask(ALICE, "job-bobs"), ask(ALICE, "job-none"));
    assert_eq!(shown(&theirs, "job-bobs"), shown(&none, "job-none"));
}

#[test]
fn callers_see_only_the_purposes_that_some_rule_gives_them() {
    let broker = InProcess::start(three_accounts(ready()));
    let names = |uid| {
        let list = broker.http_as(uid, "GET", "/v1/purposes", "").json();
        let purposes = list["purposes"].as_array().unwrap().clone();
        purposes
            .iter()
            .map(|view| view["purpose"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(ALICE), ["job-alic"]);
    assert_eq!(names(BOB), ["job-bobs"]);
    assert_eq!(names(61_003), [""; 0]);
    let operator = names(nix::unistd::geteuid().as_raw());
    for name in ["job-mine", "job-alic", "job-bobs"] {
        assert!(operator.iter().any(|other| other == name), "{name}");
    }
}

#[test]
fn a_lease_belongs_to_the_account_that_took_it() {
    let broker = InProcess::start(three_accounts(ready()));
    with_secret(&broker);
    let own = nix::unistd::geteuid().as_raw();
    let taken = broker.http_as(ALICE, "POST", "/v1/leases", r#"{"purpose":"job-alic"}"#);
    assert_eq!(taken.status, 201);
    let id = taken.json()["lease"].as_str().unwrap().to_owned();
    let path = format!("/v1/leases/{id}");
    let unknown = "0".repeat(32);

    for (method, rest) in [("GET", ""), ("DELETE", ""), ("POST", "/renew")] {
        let theirs = broker.http_as(BOB, method, &format!("{path}{rest}"), "");
        let none = broker.http_as(BOB, method, &format!("/v1/leases/{unknown}{rest}"), "");
        assert_eq!(theirs.status, 404, "{method}");
        assert_eq!(theirs.json()["code"], "unknown_lease");
        assert_eq!(
            shown(&theirs, &id),
            shown(&none, &unknown),
            "no telling whether it lives"
        );
    }
    let count = |uid| {
        let list = broker.http_as(uid, "GET", "/v1/leases", "").json();
        list["leases"].as_array().unwrap().len()
    };
    assert_eq!((count(ALICE), count(BOB), count(own)), (1, 0, 1));
    let renewed = broker.http_as(own, "POST", &format!("{path}/renew"), "");
    assert_eq!(
        renewed.status, 200,
        "an operator may prolong it in its holder's name"
    );
    assert_eq!(broker.http_as(ALICE, "GET", &path, "").status, 200);
    assert_eq!(
        broker
            .http_as(ALICE, "POST", &format!("{path}/renew"), "")
            .status,
        200
    );
    assert_eq!(broker.http_as(own, "GET", &path, "").status, 200);
    assert_eq!(broker.http_as(own, "DELETE", &path, "").status, 200);
    assert_eq!(broker.http_as(ALICE, "GET", &path, "").status, 404);
    let revoked = broker.home.records_of("lease.revoked");
    assert_eq!(revoked[0]["by"]["uid"], own);
}

#[test]
fn what_only_operators_may_do_is_refused_to_others_and_changes_nothing() {
    let broker = InProcess::start(three_accounts(ready()));
    with_secret(&broker);
    let value = json!({"value": canary::CLASSIC_TWO}).to_string();
    let before = broker.home.records().len();
    for (method, path, body) in [
        ("GET", "/v1/secrets", ""),
        ("GET", "/v1/secrets/org-label-sync-token", ""),
        ("PUT", "/v1/secrets/org-label-sync-token", value.as_str()),
        ("DELETE", "/v1/secrets/org-label-sync-token", ""),
        ("POST", "/v1/lock", ""),
        ("POST", "/v1/unlock", ""),
        ("POST", "/v1/policies/reload", ""),
        ("GET", "/v1/audit/head", ""),
        ("GET", "/v1/audit/records", ""),
        ("GET", "/metrics", ""),
    ] {
        let answer = broker.http_as(ALICE, method, path, body);
        assert_eq!(answer.status, 403, "{method} {path}");
        assert_eq!(answer.json()["code"], "denied", "{method} {path}");
    }
    assert_eq!(broker.home.records().len(), before);
    let lease = broker.http_as(ALICE, "POST", "/v1/leases", r#"{"purpose":"job-alic"}"#);
    assert_eq!(lease.json()["token"], canary::CLASSIC, "as it was");

    let status = broker.http_as(ALICE, "GET", "/v1/status", "").json();
    assert_eq!(status["operator"], false);
    assert_eq!(status["own_leases"], 1);
    assert!(status.get("broker").is_none(), "{status}");
}

#[test]
fn why_the_broker_is_not_ready_is_for_operators() {
    let broker = InProcess::start(three_accounts(ready()));
    assert_eq!(broker.http("POST", "/v1/lock", "").status, 200);
    let theirs = broker.http_as(ALICE, "GET", "/readyz", "");
    assert_eq!(
        (theirs.status, theirs.json()),
        (503, json!({"status": "not ready"}))
    );
    let ours = broker.http("GET", "/readyz", "").json();
    assert!(ours["reasons"].to_string().contains("locked"), "{ours}");
}

#[test]
fn operators_are_those_the_configuration_names_and_root() {
    let config = "[operators]\nusers = [\"daemon\"]\n";
    let home = three_accounts(ready());
    home.config(config);
    let broker = InProcess::start(home);
    let daemon = nix::unistd::User::from_name("daemon").unwrap().unwrap();
    for (uid, status) in [(daemon.uid.as_raw(), 200), (0, 200), (ALICE, 403)] {
        assert_eq!(
            broker.http_as(uid, "GET", "/v1/secrets", "").status,
            status,
            "uid {uid}"
        );
    }
}

fn refused(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

#[test]
fn a_flood_of_refusals_is_counted_and_neither_fills_the_log_nor_hides() {
    let home = ready();
    home.config("[limits]\ndenials_per_minute = 3\n");
    let broker = InProcess::start(home);
    for _ in 0..3 {
        assert_eq!(broker.lease(r#"{"purpose":"no-such"}"#).status, 403);
    }
    for _ in 0..5 {
        let answer = broker.lease(r#"{"purpose":"no-such"}"#);
        assert_eq!(refused(&answer), (429, json!("rate_limited")));
        let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=61).contains(&after), "{after}");
    }
    let home = &broker.restarted().home;
    assert_eq!(home.records_of("lease.denied").len(), 3);
    let more = home.records_of("lease.denied_more");
    assert_eq!(more.len(), 1);
    assert_eq!(more[0]["count"], 5);
    assert_eq!(more[0]["uid"], nix::unistd::geteuid().as_raw());
}

#[test]
fn a_flood_by_one_account_leaves_the_others_alone() {
    let config = "[limits]\ndenials_per_minute = 1\n";
    let home = three_accounts(ready());
    home.config(config);
    let broker = InProcess::start(home);
    let ask = |uid| {
        let body = r#"{"purpose":"job-none"}"#;
        broker.http_as(uid, "POST", "/v1/leases", body).status
    };
    assert_eq!((ask(ALICE), ask(ALICE)), (403, 429));
    assert_eq!(ask(BOB), 403);
}

#[test]
fn an_account_holds_no_more_live_leases_than_it_may() {
    let home = ready();
    home.config("[limits]\nleases_per_account = 2\n");
    let broker = InProcess::start(home);
    with_secret(&broker);
    // Leases that end with their process give way to no other.
    let take = || broker.lease(r#"{"purpose":"label-sync","until":"caller_exit"}"#);
    let first = take().json();
    assert_eq!(take().status, 201);
    let full = take();
    assert_eq!(refused(&full), (429, json!("rate_limited")));
    let after: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=901).contains(&after), "{after}");
    assert!(!canary::is_in(&full.body, canary::CLASSIC));

    let path = format!("/v1/leases/{}", first["lease"].as_str().unwrap());
    assert_eq!(broker.http("DELETE", &path, "").status, 200);
    assert_eq!(take().status, 201, "one has ended");
    assert_eq!(take().status, 429);
}
