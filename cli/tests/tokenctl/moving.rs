//! The line that `secret move` changes, and what becomes of it when the broker does not load it.

use std::fs;
use std::path::PathBuf;

use broker_protocol::error::{ErrorCode, Problem};
use serde_json::{Value, json};

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

fn view(file: &str, changed: bool) -> Value {
    let (step, text) = if changed {
        ("finish", "it is taken from vault")
    } else {
        ("switch", "change the line")
    };
    let change = json!({
        "file": file, "line": 2, "before": "source = \"env:CI\"", "after": "source = \"vault\"",
    });
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
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
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
fn printed_it_is_left_to_a_person_and_without_a_terminal_not_waited_for() {
    let scene = scene(|| (200, "{}".to_owned()));
    let args = ["secret", "move", "ci", "--to", "vault", "--print"];
    let ran = scene.broker.run(&args);
    assert_eq!(ran.status.code(), Some(75), "{ran:?}");
    let place = scene.policy.display();
    let change = format!("{place}:2\n-source = \"env:CI\"\n+source = \"vault\"\n");
    assert_eq!(out(&ran), change);
    assert_eq!(fs::read_to_string(&scene.policy).unwrap(), BEFORE);
}
