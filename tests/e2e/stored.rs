//! What is stored: looked at first, by the same rule wherever it was read, and with a way back.

use serde_json::{Value, json};
use support::{Home, TestBroker, canary};

const SECRET: &str = "org-label-sync-token";

fn shown(broker: &TestBroker) -> Value {
    let path = format!("/v1/secrets/{SECRET}");
    broker.http("GET", &path, "").json()
}

#[test]
fn what_is_provably_no_value_of_the_declared_kind_is_refused_before_anything_changes() {
    let broker = TestBroker::with_label_sync();
    let before = broker.home.records();
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n";
    for (value, why) in [
        (canary::FINE_GRAINED, "it is a fine-grained token"),
        (pem, "it is PEM, and no token"),
        (
            "ghp_CANARY\u{200b}",
            "a zero-width space (U+200B) at character 11",
        ),
        ("TOKEN=ghp_CANARY", "the value alone begins at character 7"),
    ] {
        let ran = broker.home.ctl_with(&["secret", "set", SECRET], value);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        assert!(
            ran.stderr.contains(why) && !ran.stderr.contains("CANARY"),
            "{ran:?}"
        );
        let path = format!("/v1/secrets/{SECRET}");
        let answer = broker.http("PUT", &path, &json!({ "value": value }).to_string());
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(
            answer.json()["detail"].as_str().unwrap().contains(why),
            "{answer:?}"
        );
    }
    assert_eq!(broker.home.records(), before);
    let leased = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    assert_eq!(leased["token"], canary::CLASSIC);
}

#[test]
fn undo_brings_the_value_before_back_with_whom_it_was_handed_to_and_its_records() {
    let broker = TestBroker::with_label_sync();
    let none = broker.home.ctl(&["secret", "set", SECRET, "--undo"]);
    assert_eq!(none.code(), Some(1), "{none:?}");
    assert!(
        none.stderr
            .contains("no value of `org-label-sync-token` before"),
        "{none:?}"
    );
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let first = shown(&broker);
    assert_eq!(first["exposed_to"].as_array().unwrap().len(), 1);

    let read = format!("\u{feff}{}\r\n", canary::CLASSIC_TWO);
    let args = ["secret", "set", SECRET, "--no-check"];
    broker.home.ctl_with(&args, &read).success();
    let second = shown(&broker);
    assert_eq!(
        second["hashed_credential"],
        support::github::hashed(canary::CLASSIC_TWO)
    );
    assert_eq!(second["exposed_to"], json!([]));

    let ran = broker
        .home
        .ctl(&["secret", "set", SECRET, "--undo", "--no-check"]);
    let told = ran.success();
    assert!(
        told.contains("is stored as version 3, a copy of version 1"),
        "{told}"
    );
    let third = shown(&broker);
    assert_eq!(third["version"], 3);
    for field in ["hashed_credential", "exposed_to"] {
        assert_eq!(third[field], first[field], "{field}");
    }
    let leased = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    assert_eq!(leased["token"], canary::CLASSIC);
    let set = broker.home.records_of("secret.set").pop().unwrap();
    assert_eq!((&set["version"], &set["restores"]), (&json!(3), &json!(1)));
    let used = broker.home.records_of("secret.used").pop().unwrap();
    assert_eq!(
        (&used["version"], &used["what_for"]),
        (&json!(1), &json!("undo"))
    );
}

#[test]
fn a_passphrase_from_a_pipe_opens_what_it_closed_when_it_is_typed() {
    let broker = Home::ready().start();
    let args = ["rekey", "--root-key", "passphrase"];
    let refused = broker.home.ctl_with(&args, "correct\u{1b} horse battery\n");
    assert_eq!(refused.code(), Some(2), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("passphrase: it has a control character (U+001B) at character 8"),
        "{refused:?}"
    );
    broker
        .home
        .ctl_with(&args, "correct horse battery\r\n")
        .success();
    for typed in [
        "correct horse battery\n",
        "\u{feff}correct horse battery\r\n",
    ] {
        broker.home.ctl(&["lock"]).success();
        broker.home.ctl_with(&["unlock"], typed).success();
    }
}
