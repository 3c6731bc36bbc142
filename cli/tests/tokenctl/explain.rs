//! `policy explain`: who is asked, and when the files are explained instead.

use broker_protocol::error::{ErrorCode, Problem};
use serde_json::json;

use crate::fake_broker::{FakeBroker, err, out};

/// As the broker says it to an operator.
fn explaining(changed: &[&str]) -> FakeBroker {
    let answer = json!({
        "outcome": "too_wide", "rule": "label-sync.toml#1",
        "lines": ["label-sync for alice (uid 1000), exe /a\u{202e}b", "refused, too_wide: …"],
        "in_force_since": "2026-11-21T07:00:00Z", "files_changed": changed,
    });
    FakeBroker::answering(move |_| (200, answer.to_string()))
}

#[test]
fn an_operator_is_told_what_is_in_force_and_what_is_not() {
    let broker = explaining(&["label-sync.toml"]);
    let got = broker.run(&["policy", "explain", "label-sync"]);
    let lines: Vec<&str> = out(&got).lines().collect();
    assert_eq!(
        lines[..2],
        [
            "label-sync for alice (uid 1000), exe /a\\u{202e}b",
            "refused, too_wide: …"
        ]
    );
    assert!(
        lines[2].starts_with("in force since 2026-11-21T07:00:00Z ("),
        "{lines:?}"
    );
    assert_eq!(
        err(&got),
        "tokenctl: warning: not in force: what changed on disk since (label-sync.toml); \
         `tokenctl policy reload` loads it\n"
    );
    assert_eq!(got.status.code(), Some(0));
    let seen = broker.seen().remove(0);
    assert_eq!(seen.line, "POST /v1/policies/explain");
    assert_eq!(seen.json(), json!({"purpose": "label-sync"}));
    let json = broker.run(&["policy", "explain", "label-sync", "--json"]);
    let json: serde_json::Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["outcome"], "too_wide");
}

#[test]
fn the_options_are_those_of_get_and_what_is_known_of_a_caller() {
    let broker = explaining(&[]);
    let args = "policy explain p --user alice --group docker --unit x.service --user-unit y.service \
                --exe /usr/bin/x --repo acme/one --repo acme/two --org acme --permission issues=read \
                --ttl 5m --request";
    let args: Vec<&str> = args.split_whitespace().chain(["GET /user"]).collect();
    let got = broker.run(&args);
    assert_eq!(err(&got), "");
    let want = json!({
        "purpose": "p",
        "caller": {"user": "alice", "groups": ["docker"], "unit": "x.service",
                   "user_unit": "y.service", "exe": "/usr/bin/x"},
        "repositories": ["acme/one", "acme/two"], "organization": "acme",
        "permissions": {"issues": "read"}, "ttl": 300, "request": "GET /user",
    });
    assert_eq!(broker.seen()[0].json(), want);
    broker.run(&["policy", "explain", "p", "--uid", "7"]);
    broker.run(&["policy", "explain", "p", "--pid", "7"]);
    assert_eq!(broker.seen()[1].json()["caller"], json!({"uid": 7}));
    assert_eq!(broker.seen()[2].json()["caller"], json!({"pid": 7}));
    let both = broker.run(&["policy", "explain", "p", "--user", "a", "--uid", "7"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn what_the_broker_refuses_is_the_answer_and_the_files_are_not_read() {
    let problem = Problem::new(
        ErrorCode::BadRequest,
        "there is no account `alice` on this machine",
    );
    let got = FakeBroker::refusing(&problem).run(&["policy", "explain", "p", "--user", "alice"]);
    assert_eq!(got.status.code(), Some(2));
    assert_eq!(
        err(&got),
        "tokenctl: error: there is no account `alice` on this machine\n"
    );
}

#[test]
fn who_is_no_operator_and_who_has_no_broker_is_told_so_before_the_files_are_read() {
    let problem = Problem::new(ErrorCode::Denied, "only operators may do this");
    let broker = FakeBroker::refusing(&problem);
    let line = ["policy", "explain", "p"];
    let refused = broker.run(&line);
    let note = "tokenctl: note: the broker was not asked: only operators may do this\n";
    assert!(err(&refused).starts_with(note), "{}", err(&refused));
    let missing = broker.run(&[&line[..], &["--socket", "/nonexistent/s"]].concat());
    let note = "tokenctl: note: the broker was not asked: no broker at /nonexistent/s\n";
    assert!(err(&missing).starts_with(note), "{}", err(&missing));
    let asked = broker.seen().len();
    broker.run(&[&line[..], &["--dir", "/nonexistent/policies"]].concat());
    assert_eq!(
        broker.seen().len(),
        asked,
        "files that are named are not the broker's business"
    );
}
