//! What a backup is refused for before anything leaves.

use std::fs;

use serde_json::json;
use support::http::Answer;
use support::wait;

use super::{ALICE, InProcess};

fn body() -> String {
    json!({ "passphrase": "canary-passphrase-CANARY-of-the-backup" }).to_string()
}

fn back_up(broker: &InProcess) -> Answer {
    broker.http("POST", "/v1/backup", &body())
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["code"], code, "{answer:?}");
}

#[test]
fn a_locked_store_gives_no_backup() {
    let broker = InProcess::with_label_sync();
    broker.lock();
    assert_refused(&back_up(&broker), 503, "locked");
    assert!(broker.home.records_of("vault.backed_up").is_empty());
}

#[test]
fn a_backup_that_cannot_be_recorded_does_not_leave() {
    let broker = InProcess::with_label_sync();
    // The log's directory is gone: nothing can be appended for good.
    let gone = broker.home.path().join("audit.gone");
    fs::rename(&broker.home.places.audit, gone).unwrap();
    wait::until(|| broker.lease(r#"{"purpose":"label-sync"}"#).status == 503);
    assert_refused(&back_up(&broker), 503, "audit_unavailable");
}

#[test]
fn only_operators_may_make_one() {
    let broker = InProcess::with_label_sync();
    let answer = broker.http_as(ALICE, "POST", "/v1/backup", &body());
    assert_refused(&answer, 403, "denied");
    assert!(broker.home.records_of("vault.backed_up").is_empty());
}

#[test]
fn policies_that_are_not_in_force_are_not_backed_up_for_those_that_are() {
    let broker = InProcess::with_label_sync();
    broker.home.policy("more.toml", "# nothing yet\n");
    let refused = back_up(&broker);
    assert!(refused.status >= 400, "{refused:?}");
    let fix = "tokenctl policy reload";
    assert!(refused.json().to_string().contains(fix), "{refused:?}");
    broker.reload();
    assert_eq!(back_up(&broker).status, 200);
}
