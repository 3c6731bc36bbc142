//! `exec`: the command is alone with its token.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use broker_protocol::error::{ErrorCode, Problem};

use crate::fake_broker::{FakeBroker, err, out};

fn sh<'a>(script: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["exec", "label-sync"];
    args.extend(more);
    args.extend(["--", "sh", "-c", script]);
    args
}

#[test]
fn the_command_finds_the_token_in_its_environment_and_nowhere_else() {
    let broker = FakeBroker::granting("ghp_canary");
    let script = "echo $GH_TOKEN $GITHUB_TOKEN $MINE; tr '\\0' ' ' < /proc/$$/cmdline";
    let got = broker.run(&sh(script, &["--env", "MINE"]));
    let (first, command_line) = out(&got).split_once('\n').unwrap();
    assert_eq!(first, "ghp_canary ghp_canary ghp_canary");
    assert!(!command_line.contains("ghp_canary"));
    assert_eq!(err(&got), "");
}

#[test]
fn the_lease_is_asked_for_until_the_caller_exits() {
    let broker = FakeBroker::granting("t");
    broker.run(&sh("true", &["--ttl", "1h"]));
    let want = serde_json::json!({"purpose": "label-sync", "ttl": 3600, "until": "caller_exit"});
    let seen = broker.seen();
    assert_eq!(seen[0].line, "GET /v1/purposes/label-sync");
    assert_eq!(seen[1].json(), want);
}

#[test]
fn the_command_is_the_very_process_that_asked() {
    let broker = FakeBroker::granting("t");
    let mut child = broker
        .tokenctl(&sh("echo $$", &[]))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pid = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut pid)
        .unwrap();
    assert_eq!(pid.trim(), child.id().to_string());
    assert!(child.wait().unwrap().success());
}

#[test]
fn exit_code_and_signals_are_the_commands_own() {
    let broker = FakeBroker::granting("t");
    assert_eq!(broker.run(&sh("exit 7", &[])).status.code(), Some(7));
    for (name, number) in [("TERM", 15), ("PIPE", 13), ("INT", 2)] {
        let got = broker.run(&sh(&format!("kill -{name} $$; exit 0"), &[]));
        assert_eq!(got.status.signal(), Some(number), "{name}");
    }
}

#[test]
fn the_command_inherits_stdin_and_no_connection() {
    let broker = FakeBroker::granting("t");
    let got = broker.run_with(&sh("cat; ls -l /proc/$$/fd", &[]), "through\n");
    let (first, descriptors) = out(&got).split_once('\n').unwrap();
    assert_eq!(first, "through");
    assert!(!descriptors.contains("socket:"), "{descriptors}");
}

#[test]
fn without_a_token_the_exit_code_is_125_and_nothing_runs() {
    let broker = FakeBroker::refusing(&Problem::new(ErrorCode::Denied, "not allowed"));
    let mark = broker.home.path().join("mark");
    let got = broker.run(&["exec", "p", "--", "touch", mark.to_str().unwrap()]);
    assert_eq!(got.status.code(), Some(125));
    assert!(err(&got).contains("tokenctl: error: not allowed"));
    assert!(!mark.exists());
    let gone = broker.run(&["exec", "p", "--socket", "/nonexistent/s", "--", "true"]);
    assert_eq!(gone.status.code(), Some(125));
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_run_126() {
    let broker = FakeBroker::granting("t");
    let missing = broker.run(&["exec", "p", "--", "no-such-command-here"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(err(&missing).contains("no command `no-such-command-here`"));
    let directory = broker.home.path().to_str().unwrap();
    let not_runnable = broker.run(&["exec", "p", "--", directory]);
    assert_eq!(not_runnable.status.code(), Some(126));
}
