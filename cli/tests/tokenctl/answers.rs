//! What becomes of the broker's answers: output, exit codes, hints.

use std::os::unix::net::UnixListener;
use std::process::Stdio;

use broker_protocol::error::{ErrorCode, Problem};

use crate::fake_broker::{FakeBroker, err, out};

#[test]
fn get_prints_the_token_alone() {
    let broker = FakeBroker::granting("ghp_canary");
    let got = broker.run(&["get", "label-sync"]);
    assert_eq!((out(&got), err(&got)), ("ghp_canary\n", ""));
    assert_eq!(broker.seen()[0].line, "POST /v1/leases");
    assert_eq!(broker.seen()[0].body, r#"{"purpose":"label-sync"}"#);
}

#[test]
fn get_asks_for_what_the_options_say() {
    let broker = FakeBroker::granting("t");
    let args = "get p --repo Acme/Site --repo acme/two --org acme --permission issues=read \
                --ttl 5m --reason nightly";
    broker.run(&args.split_whitespace().collect::<Vec<_>>());
    let want = serde_json::json!({
        "purpose": "p", "repositories": ["acme/site", "acme/two"], "organization": "acme",
        "permissions": {"issues": "read"}, "ttl": 300, "reason": "nightly"
    });
    assert_eq!(broker.seen()[0].json(), want);
}

#[test]
fn with_json_the_answer_is_passed_on_as_it_came() {
    let broker = FakeBroker::granting("ghp_canary");
    let got = broker.run(&["get", "label-sync", "--json"]);
    let json: serde_json::Value = serde_json::from_str(out(&got)).unwrap();
    assert_eq!(json["expires_at"], "2026-11-21T07:15:00Z");
}

#[test]
fn every_refusal_has_its_exit_code_its_words_and_nothing_on_stdout() {
    for code in [
        ErrorCode::BadRequest,
        ErrorCode::Denied,
        ErrorCode::TooWide,
        ErrorCode::UnknownLease,
        ErrorCode::SecretMissing,
        ErrorCode::SecretExpired,
        ErrorCode::Conflict,
        ErrorCode::NotFound,
        ErrorCode::RateLimited,
        ErrorCode::Locked,
        ErrorCode::AuditUnavailable,
        ErrorCode::SourceUnavailable,
        ErrorCode::UpstreamRefused,
        ErrorCode::UpstreamUnavailable,
        ErrorCode::Internal,
    ] {
        let problem = Problem::new(code, "this is why").with_hint("do that");
        let broker = FakeBroker::refusing(&problem);
        let got = broker.run(&["get", "label-sync"]);
        assert_eq!(got.status.code(), Some(code.exit_code().into()), "{code:?}");
        assert_eq!(out(&got), "");
        assert_eq!(
            err(&got),
            "tokenctl: error: this is why\ntokenctl: hint: do that\n"
        );
    }
}

#[test]
fn without_a_broker_the_exit_code_is_4_and_the_hint_says_how_to_start_one() {
    let broker = FakeBroker::granting("t");
    let missing = broker.run(&["get", "p", "--socket", "/nonexistent/s"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(err(&missing).contains("no broker at /nonexistent/s"));
    assert!(err(&missing).contains("tokenctl: hint: start it with `tokend`"));

    let left = broker.home.path().join("left");
    drop(UnixListener::bind(&left).unwrap());
    let deserted = broker.run(&["get", "p", "--socket", left.to_str().unwrap()]);
    assert_eq!(deserted.status.code(), Some(4));
    assert!(err(&deserted).contains("no broker listens"));
}

#[test]
fn an_answer_that_is_none_is_reported_without_being_quoted() {
    let broker = FakeBroker::answering(|_| (201, r#"{"token":"ghp_canary"}"#.to_owned()));
    let got = broker.run(&["get", "p"]);
    assert_eq!(got.status.code(), Some(1));
    assert!(err(&got).contains("not of this version"), "{}", err(&got));
    assert!(!err(&got).contains("ghp_canary"));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let broker = FakeBroker::granting("t");
    let mut child = broker
        .tokenctl(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let got = child.wait_with_output().unwrap();
    assert_eq!((got.status.code(), err(&got)), (Some(0), ""));
}

#[test]
fn text_from_the_broker_cannot_drive_the_terminal() {
    let broker = FakeBroker::refusing(&Problem::new(ErrorCode::Denied, "\x1b[2Jgone"));
    assert!(err(&broker.run(&["get", "p"])).contains("\\u{1b}[2Jgone"));
}

#[test]
fn revoking_goes_on_after_a_lease_that_is_gone_and_fails_in_the_end() {
    let gone = "0".repeat(32);
    let live = "1".repeat(32);
    let broker = FakeBroker::answering(move |seen| {
        if seen.line.contains(&"0".repeat(32)) {
            let problem = Problem::new(ErrorCode::UnknownLease, "no such lease");
            return (404, serde_json::to_string(&problem).unwrap());
        }
        let body = serde_json::json!({
            "lease": "1".repeat(32), "recorded": true, "warning": "the token still works"
        });
        (200, body.to_string())
    });
    let got = broker.run(&["lease", "revoke", &gone, &live]);
    assert_eq!(got.status.code(), Some(1));
    assert_eq!(out(&got), format!("lease {live} revoked\n"));
    assert!(err(&got).contains("warning: the token still works"));
    assert!(err(&got).contains("error: no such lease"));
}

#[test]
fn commands_of_the_daemon_are_run_by_the_one_beside_tokenctl_only() {
    let broker = FakeBroker::granting("t");
    let (own, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tokenctl = own.path().join("tokenctl");
    install(env!("CARGO_BIN_EXE_tokenctl").as_ref(), &tokenctl);
    let script = |dir: &std::path::Path, text: &str| {
        let file = dir.join("text");
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        install(&file, &dir.join("tokend"));
    };
    script(path.path(), "echo from PATH");
    let search = format!("{}:/usr/bin:/bin", path.path().display());
    let run = || {
        std::process::Command::new(&tokenctl)
            .args(["--socket", "/s", "policy", "check", "--strict", "DIR"])
            .env("PATH", &search)
            .env("TOKEND_HOME", broker.home.path())
            .output()
            .unwrap()
    };
    let alone = run();
    assert_eq!((alone.status.code(), out(&alone)), (Some(1), ""));
    assert!(err(&alone).contains("same directory"), "{}", err(&alone));

    script(own.path(), "echo \"$@ $TOKEND_SOCKET\"; exit 9");
    let beside = run();
    assert_eq!(out(&beside), "policy check --strict DIR /s\n");
    assert_eq!(beside.status.code(), Some(9));
}

/// Copied by a process of its own: a program that this one has open for writing may be inherited
/// by whatever another test starts meanwhile, and could not be run as long as that lives.
fn install(from: &std::path::Path, to: &std::path::Path) {
    let install = std::process::Command::new("install")
        .args(["-m", "755"])
        .args([from, to])
        .status();
    assert!(install.unwrap().success());
}

#[test]
fn of_a_broker_to_try_every_command_says_once_that_it_is_not_for_use() {
    const DEV: &str = "tokend-dev: not for use\r\n";
    const NOTE: &str =
        "tokenctl: note: this is `tokend --dev`: made-up tokens, no GitHub; not for use\n";
    let lease = crate::fake_broker::lease("ghp_canary");
    let broker = FakeBroker::answering_with(DEV, move |_| (201, lease.clone()));
    let got = broker.run(&["get", "labels"]);
    assert_eq!((out(&got), err(&got)), ("ghp_canary\n", NOTE));

    let problem = Problem::new(ErrorCode::Denied, "no");
    let problem = serde_json::to_string(&problem).unwrap();
    let broker = FakeBroker::answering_with(DEV, move |_| (403, problem.clone()));
    let got = broker.run(&["get", "labels"]);
    assert!(
        err(&got).starts_with(&format!("{NOTE}tokenctl: error: no\n")),
        "{}",
        err(&got)
    );

    let status = serde_json::json!({
        "version": "1", "dev": true, "locked": false, "ready": true, "not_ready": [],
        "caller": {"uid": 7, "gid": 7, "pid": null, "exe": null, "unit": null, "user_unit": null},
        "operator": false, "own_leases": 0
    });
    let text = status.to_string();
    let broker = FakeBroker::answering_with(DEV, move |_| (200, text.clone()));
    let got = broker.run(&["status"]);
    assert!(
        out(&got).starts_with("not for use  made-up tokens, no GitHub"),
        "{}",
        out(&got)
    );
    let json: serde_json::Value =
        serde_json::from_str(out(&broker.run(&["status", "--json"]))).unwrap();
    assert_eq!(json, status);
}
