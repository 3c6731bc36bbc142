//! What is stored: looked at first, and with a way back.

use serde_json::{Value, json};
use support::{canary, github, wait};

use super::*;

const SECRET: &str = "org-label-sync-token";

fn shown(broker: &InProcess) -> Value {
    let path = format!("/v1/secrets/{SECRET}");
    broker.http("GET", &path, "").json()
}

#[test]
fn what_is_provably_no_value_of_the_declared_kind_is_refused_before_anything_changes() {
    let broker = InProcess::with_label_sync();
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
        let path = format!("/v1/secrets/{SECRET}");
        let answer = broker.http("PUT", &path, &json!({ "value": value }).to_string());
        assert_eq!(answer.status, 400, "{answer:?}");
        let detail = answer.json()["detail"].to_string();
        assert!(
            detail.contains(why) && !detail.contains("CANARY"),
            "{detail}"
        );
    }
    assert_eq!(broker.home.records(), before);
    let leased = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    assert_eq!(leased["token"], canary::CLASSIC);
}

#[test]
fn undo_brings_the_value_before_back_with_whom_it_was_handed_to_and_its_records() {
    let broker = InProcess::with_label_sync();
    let undo = || broker.http("POST", &format!("/v1/secrets/{SECRET}/undo"), "");
    let none = undo();
    assert_eq!(none.status, 409, "{none:?}");
    let detail = none.json()["detail"].to_string();
    assert!(
        detail.contains("no value of `org-label-sync-token` before"),
        "{detail}"
    );
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    wait::until(|| shown(&broker)["exposed_to"] != json!([]));
    let first = shown(&broker);
    assert_eq!(first["exposed_to"].as_array().unwrap().len(), 1);

    broker.set(SECRET, canary::CLASSIC_TWO);
    let second = shown(&broker);
    assert_eq!(
        second["hashed_credential"],
        github::hashed(canary::CLASSIC_TWO)
    );
    assert_eq!(second["exposed_to"], json!([]));

    let undone = undo().json();
    assert_eq!(
        (&undone["version"], &undone["restores"]),
        (&json!(3), &json!(1))
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
