//! The line that `secret move` changes, and what becomes of it when the broker does not load it.

use std::fs;
use std::path::PathBuf;

use broker_protocol::error::{ErrorCode, Problem};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fake_broker::{Answer, FakeBroker, err, out};

const BEFORE: &str = "[secret.ci]\nsource = \"env:CI\"\n";

struct Scene {
    _scratch: tempfile::TempDir,
    policy: PathBuf,
    broker: FakeBroker,
}

/// A broker that names the line until it is changed, and answers a reload with this.
fn scene(reload: impl Fn() -> Answer + Send + 'static) -> Scene {
    let scratch = tempfile::tempdir().unwrap();
    let policy = scratch.path().join("ci.toml");
    fs::write(&policy, BEFORE).unwrap();
    let seen = policy.clone();
    let broker = FakeBroker::answering(move |asked| {
        if asked.line == "POST /v1/policies/reload" {
            return reload();
        }
        let changed = fs::read_to_string(&seen).unwrap() != BEFORE;
        (200, view(&seen.display().to_string(), changed).to_string())
    });
    Scene {
        _scratch: scratch,
        policy,
        broker,
    }
}

fn change(file: &str, source: &str) -> Value {
    let text = fs::read(file).unwrap_or_default();
    let sha256: String = Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({ "file": file, "line": 1, "source": source, "sha256": sha256 })
}

fn view(file: &str, changed: bool) -> Value {
    let (step, text) = if changed {
        ("finish", "it is taken from vault")
    } else {
        ("switch", "change the line")
    };
    let change = change(file, "vault");
    json!({
        "secret": "ci", "from": "env:CI", "to": "vault", "phase": "copied", "begun_at": null,
        "next": {"step": step, "text": text}, "change": if changed { Value::Null } else { change },
    })
}

#[test]
fn the_line_is_changed_and_loaded_and_the_move_goes_on() {
    let scene = scene(|| (200, "{}".to_owned()));
    let ran = scene.broker.run(&["secret", "move", "ci", "--to", "vault"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(out(&ran), "ci: it is taken from vault\n");
    let text = fs::read_to_string(&scene.policy).unwrap();
    assert_eq!(text, BEFORE.replace("env:CI", "vault"));
    let asked: Vec<_> = scene
        .broker
        .seen()
        .into_iter()
        .map(|seen| seen.line)
        .collect();
    let moved = "POST /v1/secrets/ci/move";
    assert_eq!(asked, [moved, "POST /v1/policies/reload", moved]);
}

#[test]
fn a_change_that_is_refused_is_taken_back() {
    let problem = Problem::new(ErrorCode::BadRequest, "the policies were refused");
    let body = serde_json::to_string(&problem).unwrap();
    let scene = scene(move || (400, body.clone()));
    let ran = scene.broker.run(&["secret", "move", "ci", "--to", "vault"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(err(&ran).contains("the policies were refused"), "{ran:?}");
    assert_eq!(fs::read_to_string(&scene.policy).unwrap(), BEFORE);
}

#[test]
fn a_change_that_may_be_in_force_stays_for_the_next_run() {
    // No answer that could be read: it may have been loaded all the same.
    let scene = scene(|| (500, "lost on the way".to_owned()));
    let ran = scene.broker.run(&["secret", "move", "ci", "--to", "vault"]);
    assert!(!ran.status.success(), "{ran:?}");
    let text = fs::read_to_string(&scene.policy).unwrap();
    assert_eq!(text, BEFORE.replace("env:CI", "vault"));
    let again = scene.broker.run(&["secret", "move", "ci", "--to", "vault"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn printed_it_is_left_to_an_operator_and_without_a_terminal_not_waited_for() {
    let scene = scene(|| (200, "{}".to_owned()));
    let args = ["secret", "move", "ci", "--to", "vault", "--print"];
    let ran = scene.broker.run(&args);
    assert_eq!(ran.status.code(), Some(75), "{ran:?}");
    let place = scene.policy.display();
    let change = format!("{place}:1\n[secret.ci]\nsource = \"vault\"\n");
    assert_eq!(out(&ran), change);
    assert_eq!(fs::read_to_string(&scene.policy).unwrap(), BEFORE);
}

/// A broker whose policies name the new place once the line is changed, and that then answers the move
/// with this. It leads back if it is asked to.
fn unverified(verified: impl Fn() -> Answer + Send + 'static, step: &'static str) -> Scene {
    let scratch = tempfile::tempdir().unwrap();
    let policy = scratch.path().join("ci.toml");
    fs::write(&policy, BEFORE).unwrap();
    let seen = policy.clone();
    let broker = FakeBroker::answering(move |asked| {
        let changed = fs::read_to_string(&seen).unwrap() != BEFORE;
        let file = seen.display().to_string();
        match asked.line.as_str() {
            "POST /v1/policies/reload" => (200, "{}".to_owned()),
            "GET /v1/secrets/ci" => (200, secret(changed, step).to_string()),
            "POST /v1/secrets/ci/move" if changed => verified(),
            "POST /v1/secrets/ci/move/back" => (200, back(&file, changed).to_string()),
            _ => (200, view(&file, changed).to_string()),
        }
    });
    Scene {
        _scratch: scratch,
        policy,
        broker,
    }
}

fn secret(changed: bool, step: &str) -> Value {
    json!({
        "name": "ci", "declared": true, "state": "ok", "source": if changed { "vault" } else { "env:CI" },
        "scopes": [], "purposes": [], "exposed_to": [],
        "move": {
            "from": "env:CI", "to": "vault", "step": step, "begun_at": "2026-11-21T07:00:00Z",
        },
    })
}

fn back(file: &str, changed: bool) -> Value {
    let mut view = view(file, false);
    if changed {
        view["change"] = change(file, "env:CI");
    } else {
        view["change"] = Value::Null;
        view["phase"] = json!("moved_back");
        view["next"] = json!({"step": "nothing", "text": "it is taken from env:CI again"});
    }
    view
}

fn down() -> Answer {
    let problem = Problem::new(ErrorCode::UpstreamUnavailable, "the place is down");
    (problem.status, serde_json::to_string(&problem).unwrap())
}

const MOVE: &[&str] = &["secret", "move", "ci", "--to", "vault"];
const BACK: &str = "`tokenctl secret move ci --back`";

#[test]
fn a_place_that_fails_once_policies_name_it_is_left_again() {
    let scene = unverified(down, "copied");
    let ran = scene.broker.run(MOVE);
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert!(err(&ran).contains("the place is down"), "{ran:?}");
    assert!(
        err(&ran).contains("policies take it from env:CI again"),
        "{ran:?}"
    );
    assert_eq!(fs::read_to_string(&scene.policy).unwrap(), BEFORE);
}

#[test]
fn a_move_that_worked_and_whose_answer_was_lost_is_not_taken_back() {
    let answers = std::sync::Mutex::new(vec![(500, "lost on the way".to_owned())]);
    let verified = move || {
        let lost = answers.lock().unwrap().pop();
        lost.unwrap_or_else(|| (200, view("ci.toml", true).to_string()))
    };
    let scene = unverified(verified, "switched");
    let ran = scene.broker.run(MOVE);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(out(&ran), "ci: it is taken from vault\n");
    let text = fs::read_to_string(&scene.policy).unwrap();
    assert_eq!(text, BEFORE.replace("env:CI", "vault"));
}

#[test]
fn where_it_cannot_go_back_the_command_that_does_is_printed() {
    // The line was changed by someone else, or by a run before this one.
    let scene = unverified(down, "copied");
    fs::write(&scene.policy, BEFORE.replace("env:CI", "vault")).unwrap();
    let ran = scene.broker.run(MOVE);
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert!(err(&ran).contains(BACK), "{ran:?}");

    // The file cannot be changed any more.
    let scratch = tempfile::tempdir().unwrap();
    let gone = scratch.path().join("gone");
    fs::write(&gone, "").unwrap();
    let scene = unverified(
        {
            let gone = gone.clone();
            move || {
                let policy = fs::read_to_string(&gone).unwrap();
                fs::write(policy, "# someone else's").unwrap();
                down()
            }
        },
        "copied",
    );
    fs::write(&gone, scene.policy.display().to_string()).unwrap();
    let ran = scene.broker.run(MOVE);
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert!(err(&ran).contains("going back failed"), "{ran:?}");
    assert!(err(&ran).contains(BACK), "{ran:?}");

    // The broker is gone.
    let scene = unverified(|| (500, String::new()), "unknown");
    let ran = scene.broker.run(MOVE);
    assert!(!ran.status.success(), "{ran:?}");
    assert!(err(&ran).contains(BACK), "{ran:?}");
}
