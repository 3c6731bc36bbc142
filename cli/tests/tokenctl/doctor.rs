//! `doctor` and `status`: what they make of what the broker knows.

use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, operators_status, out};

/// A broker to which this happened, as its operators see it.
fn broker(github: &Value, secret: &Value, probed: &Value) -> FakeBroker {
    broker_with(github, secret, probed, &json!({}))
}

/// The same, with more of its status.
fn broker_with(github: &Value, secret: &Value, probed: &Value, more: &Value) -> FakeBroker {
    let mut held = json!({
        "name": "site-token", "declared": true, "kind": "classic", "owner": null, "scopes": [],
        "source": "op://Tokens/site/credential", "purposes": [], "state": "ok", "deadline": null,
        "expires_at": null, "rotate_every": null, "rate_floor": null, "version": null,
        "created_at": null, "set_at": null, "hashed_credential": null, "last_used": null,
        "exposed_to": [], "warnings": [],
    });
    held.as_object_mut()
        .unwrap()
        .extend(secret.as_object().unwrap().clone());
    let mut status = operators_status();
    let broker = &mut status["broker"];
    broker["github"] = github.clone();
    broker["policy_files_changed"] = json!(["a.toml", "b.toml", "c.toml", "d.toml"]);
    broker["warnings"] = held["warnings"].clone();
    broker["secrets"] = json!([held]);
    for part in ["", "/broker"] {
        let part = status.pointer_mut(part).unwrap().as_object_mut().unwrap();
        let known: Vec<String> = part.keys().cloned().collect();
        let more = more.as_object().unwrap().clone().into_iter();
        part.extend(more.filter(|(key, _)| known.contains(key)));
    }
    let probed = probed.to_string();
    FakeBroker::answering(move |seen| match &*seen.line {
        "POST /v1/sources/probe" => (200, probed.clone()),
        _ => (200, status.to_string()),
    })
}

#[test]
fn a_github_that_is_not_reached_or_limits_is_a_line_with_whom_it_concerns() {
    let ends = "2099-01-01T00:00:00Z";
    let github = json!({
        "api": "https://ghe.test", "breaker": "open", "last_answer": null,
        "principals": [{
            "principal": "user acme-bot",
            "resources": [
                {"resource": "core", "limit": 5000, "remaining": 0, "reset_at": ends},
                {"resource": "search", "limit": 30, "remaining": 30, "reset_at": ends},
            ],
            "held_off": {"limit": "secondary", "until": ends},
        }],
    });
    let broker = broker(&github, &json!({}), &json!({"sources": []}));
    let doctor = broker.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    for line in [
        "wrong: https://ghe.test could not be reached several times in a row\n",
        "look: user acme-bot sent GitHub too many requests too fast; the limit ends ",
        "look: user acme-bot has no `core` requests left at GitHub; the window ends ",
    ] {
        assert!(out(&doctor).contains(line), "{line}: {doctor:?}");
    }
    let status = broker.run(&["status"]);
    let rows = out(&status)
        .lines()
        .filter(|row| row.starts_with("user acme-bot"));
    let rows: Vec<Vec<_>> = rows.map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{status:?}");
    assert_eq!(rows[0][2..5], ["core", "0", "5000"], "used up: {status:?}");
    assert_eq!(rows[1][2], "secondary", "{status:?}");
}

#[test]
fn a_source_that_is_down_is_a_line_although_its_value_is_still_served() {
    let stale = json!({
        "stale_since": "2026-11-21T07:00:00Z", "source_fault": "no such host",
    });
    let probed = json!({
        "sources": [],
        "one_password": {
            "requests": 0, "allowed": 500, "limits": [],
            "fault": "1Password: no answer from 1Password within 2 s",
        },
    });
    let github = json!({"api": "", "breaker": "", "last_answer": null, "principals": []});
    let doctor = broker(&github, &stale, &probed).run(&["doctor"]);
    for line in [
        "look: secret site-token is served from what was read before, past its time since ",
        "look: 1Password did not report its limits: no answer from 1Password within 2 s\n",
    ] {
        assert!(out(&doctor).contains(line), "{line}: {doctor:?}");
    }
    assert!(out(&doctor).contains(": no such host\n"), "{doctor:?}");
}

#[test]
fn one_fault_of_a_secret_is_one_finding_and_a_rejected_value_is_wrong() {
    let github = json!({"api": "", "breaker": "", "last_answer": null, "principals": []});
    let check = |verdict: &str, accepted: bool| {
        json!({
            "verdict": verdict, "checked_at": "2026-11-21T06:00:00Z", "version": 2,
            "accepted": accepted,
        })
    };
    for (state, check, first) in [
        (
            "rejected",
            check("error", false),
            "wrong: secret site-token is rejected: ",
        ),
        (
            "expired",
            check("error", false),
            "wrong: secret site-token has expired at GitHub\n",
        ),
        (
            "overdue",
            check("ok", true),
            "wrong: secret site-token should have been rotated\n",
        ),
        (
            "ok",
            check("error", true),
            "look: secret site-token is not what the policies declare\n",
        ),
        (
            "ok",
            check("warning", true),
            "look: secret site-token has a warning of its last check\n",
        ),
    ] {
        let secret = json!({
            "source": "vault", "state": state, "version": 2, "check": check,
            "warnings": ["the same, as the broker says it"],
        });
        let doctor = broker(&github, &secret, &json!({"sources": []})).run(&["doctor"]);
        let text = out(&doctor);
        assert!(text.contains(first), "{doctor:?}");
        let about = |line: &&str| line.contains("site-token") && !line.starts_with("  hint: ");
        assert_eq!(text.lines().filter(about).count(), 1, "{text}");
        assert!(!text.contains("the same, as the broker says it"), "{text}");
    }
}

#[test]
fn policy_files_that_are_not_in_force_are_named() {
    let broker = broker(
        &json!({"api": "https://ghe.test", "breaker": "closed", "last_answer": null,
                                "principals": []}),
        &json!({}),
        &json!({"sources": []}),
    );
    let doctor = broker.run(&["doctor"]);
    let changed = "policies on disk were changed after the policies in force were loaded: a.toml, b.toml, \
                   c.toml and 1 more";
    assert!(out(&doctor).contains(changed), "{}", out(&doctor));
    let status = broker.run(&["status"]);
    let line =
        "0 purposes, loaded 2026-11-21T07:00:00Z; NOT LOADED: a.toml, b.toml, c.toml and 1 more\n";
    assert!(out(&status).contains(line), "{}", out(&status));
}

fn quiet() -> Value {
    json!({"api": "", "breaker": "", "last_answer": null, "principals": []})
}

#[test]
fn a_vault_without_a_recovery_passphrase_is_a_line_with_the_command_that_sets_one() {
    let doctor = broker(&quiet(), &json!({}), &json!({"sources": []})).run(&["doctor"]);
    let line = "look: there is no recovery passphrase: if the root key is lost, so are the secrets\n  \
                hint: tokenctl rekey --recovery\n";
    assert!(out(&doctor).contains(line), "{doctor:?}");
}

#[test]
fn a_check_that_github_did_not_answer_is_a_line_unless_another_one_says_that_it_is_not_reached() {
    let secret = json!({"check_failed": {"at": "2026-11-21T08:00:00Z"}});
    let line = "look: GitHub did not answer the last check of site-token\n  \
                hint: `tokenctl secret show site-token` has the reason\n";
    for (breaker, is_line) in [("closed", true), ("open", false)] {
        let mut github = quiet();
        github["breaker"] = breaker.into();
        let broker = broker(&github, &secret, &json!({"sources": []}));
        let doctor = broker.run(&["doctor"]);
        assert_eq!(
            out(&doctor).contains(line),
            is_line,
            "{breaker}: {doctor:?}"
        );
        let status = broker.run(&["status"]);
        assert!(out(&status).contains("-*"), "{status:?}");
        let note = "did not answer the last check of site-token; `tokenctl secret show site-token`";
        assert!(err(&status).contains(note), "{status:?}");
    }
}

#[test]
fn an_audit_log_that_cannot_be_written_is_one_finding() {
    let more = json!({
        "ready": false,
        "not_ready": ["the audit log cannot be written: no space left on the device"],
        "audit_fault": "no space left on the device",
    });
    let broker = broker_with(&quiet(), &json!({}), &json!({"sources": []}), &more);
    let doctor = broker.run(&["doctor"]);
    let about = |line: &&str| line.contains("audit log") || line.contains("grants nothing");
    let lines: Vec<&str> = out(&doctor).lines().filter(about).collect();
    let line = "wrong: the audit log cannot be written, so no token is issued";
    assert_eq!(lines, [line], "{doctor:?}");
}

#[test]
fn something_else_in_the_sockets_place_is_one_finding_and_what_was_looked_at_is_listed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    std::fs::write(home.path().join("run/tokend.sock"), "").unwrap();
    let doctor = std::process::Command::new(env!("CARGO_BIN_EXE_tokenctl"))
        .arg("doctor")
        .env_clear()
        .env("TOKEND_HOME", home.path())
        .output()
        .unwrap();
    assert!(
        err(&doctor).ends_with("error: 1 thing is wrong\n"),
        "{doctor:?}"
    );
    let list = format!("looked at:\n  {0}\n  {0}/run\n", home.path().display());
    assert!(out(&doctor).contains(&list), "{doctor:?}");
}

#[test]
fn a_socket_whose_path_no_socket_can_have_is_said_with_its_bytes_and_the_limit() {
    let long = format!("/tmp/{}", "x".repeat(120));
    let home = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_tokenctl"))
            .args([command, "--socket", &long])
            .env_clear()
            .env("TOKEND_HOME", home.path())
            .output()
            .unwrap()
    };
    let said = "the path of a socket has 125 bytes, and Linux allows 107; name a shorter one with --socket";
    let status = run("status");
    assert_eq!(status.status.code(), Some(4), "{status:?}");
    assert!(err(&status).contains(said), "{status:?}");
    let doctor = run("doctor");
    assert!(
        out(&doctor).contains(&format!("wrong: {said}")),
        "{doctor:?}"
    );
    assert!(
        err(&doctor).ends_with("error: 1 thing is wrong\n"),
        "{doctor:?}"
    );
}
