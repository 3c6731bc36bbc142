//! What all commands have in common: errors as JSON, names of accounts, one count of days, and completion.

use broker_protocol::error::{ErrorCode, Problem};
use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, operators_status, out, purpose};

/// The objects on stderr, one a line.
fn objects(output: &std::process::Output) -> Vec<Value> {
    let lines = err(output).lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn with_json_a_refusal_is_one_object_with_its_word_its_hint_and_its_exit_code() {
    let problem = Problem::new(ErrorCode::Locked, "the store is locked").with_hint("unlock it");
    let broker = FakeBroker::refusing(&problem);
    let got = broker.run(&["get", "label-sync", "--json"]);
    assert_eq!((got.status.code(), out(&got)), (Some(5), ""));
    let want = json!({
        "error": "the store is locked", "code": "locked", "hint": "unlock it", "exit_code": 5
    });
    assert_eq!(objects(&got), [want]);
}

#[test]
fn with_json_what_fails_on_this_side_has_a_word_too() {
    let broker = FakeBroker::granting("t");
    let too_long = &*format!("/{}", "s".repeat(120));
    for (args, code, exit_code) in [
        (
            &["status", "--socket", "/nonexistent/s"][..],
            "unreachable",
            4,
        ),
        (&["status", "--socket", too_long], "unreachable", 4),
        (&["frobnicate"], "usage", 2),
        (&[], "usage", 2),
        (&["audit", "verify", "/nonexistent"], "failed", 1),
        (&["secret", "remove", "ci-token"], "usage", 2),
    ] {
        let got = broker.run(&[args, &["--json"]].concat());
        assert_eq!(got.status.code(), Some(exit_code), "{args:?}");
        let said = objects(&got);
        let said = said.last().unwrap();
        assert_eq!(said["code"], code, "{args:?}");
        assert_eq!(said["exit_code"], exit_code, "{args:?}");
        assert!(
            said["error"].is_string() && said.get("hint").is_some(),
            "{said}"
        );
    }
}

#[test]
fn with_json_a_note_is_an_object_as_well() {
    let broker = FakeBroker::answering(|_| (204, String::new()));
    let got = broker.run(&["secret", "remove", "ci-token", "--yes", "--json"]);
    let want = json!({"secret": "ci-token", "erased": true});
    assert_eq!(serde_json::from_str::<Value>(out(&got)).unwrap(), want);
    let said = objects(&got);
    assert!(said[0]["note"].is_string(), "{said:?}");
}

#[test]
fn a_command_without_json_refuses_the_option_and_asks_the_broker_nothing() {
    let broker = FakeBroker::granting("t");
    for args in [
        &["exec", "label-sync", "--json", "--", "true"][..],
        &["git-credential", "get", "--json"],
        &["import", "file", "--json"],
        &["completions", "bash", "--json"],
        &["man", "directory", "--json"],
        &["--json", "init"],
        &["setup", "--json"],
        &["init", "--json"],
        &["policy", "check", "--json"],
        &["secret", "list", "--format", "md", "--json"],
    ] {
        let got = broker.run(args);
        assert_eq!((got.status.code(), out(&got)), (Some(2), ""), "{args:?}");
        assert!(err(&got).contains("no --json"), "{args:?}: {}", err(&got));
    }
    assert!(broker.seen().is_empty());
}

#[test]
fn lock_and_unlock_pass_the_broker_s_json_on() {
    let broker = FakeBroker::answering(|seen| {
        let mut status = operators_status();
        status["broker"]["root_key"] = "file".into();
        let answer = match &*seen.line {
            "GET /v1/status" => status,
            "POST /v1/lock" => json!({"status": "locked"}),
            _ => json!({"status": "unlocked"}),
        };
        (200, answer.to_string())
    });
    for (command, state) in [("lock", "locked"), ("unlock", "unlocked")] {
        let got = broker.run(&[command, "--json"]);
        let answer = format!("{{\"status\":\"{state}\"}}\n");
        assert_eq!(out(&got), answer, "{got:?}");
    }
}

#[test]
fn a_reload_that_the_broker_refuses_is_1_and_no_wrong_usage() {
    let problem = Problem::new(
        ErrorCode::BadRequest,
        "p.toml:2: a purpose knows no `secrt`",
    );
    let broker = FakeBroker::refusing(&problem);
    let got = broker.run(&["policy", "reload", "--json"]);
    assert_eq!(got.status.code(), Some(1));
    let said = objects(&got);
    assert_eq!(
        (&said[0]["code"], &said[0]["exit_code"]),
        (&json!("bad_request"), &json!(1))
    );
}

#[test]
fn a_permission_that_github_does_not_document_is_asked_for_and_a_refusal_says_what_it_meant() {
    let broker = FakeBroker::refusing(&Problem::new(ErrorCode::TooWide, "too wide"));
    let asks = |permission| {
        let got = broker.run(&["get", "p", "--permission", permission]);
        assert_eq!(got.status.code(), Some(3));
        err(&got).to_owned()
    };
    let said = asks("isues=read");
    assert!(
        said.contains("hint: GitHub documents no permission `isues` (did you mean `issues`?)"),
        "{said}"
    );
    assert!(!asks("issues=read").contains("did you mean"));
    assert_eq!(broker.seen().len(), 2);
}

#[test]
fn accounts_have_names_in_text_and_numbers_in_json() {
    let lease = json!({
        "lease": "0".repeat(32), "deliver": "raw", "enforced_by": "none", "purpose": "label-sync",
        "secret": "s", "rule": "x.toml#1", "repositories": [], "organization": null,
        "permissions": {}, "uid": 0, "issued_at": "2026-11-21T07:00:00Z",
        "expires_at": "2026-11-21T07:15:00Z", "renewable_until": "2026-11-21T08:00:00Z",
        "audit_seq": 41
    });
    let broker = FakeBroker::answering(move |_| (200, json!({"leases": [lease]}).to_string()));
    let text = broker.run(&["lease", "list"]);
    let text = out(&text);
    let heading = text.lines().next().unwrap();
    assert!(
        heading.contains("ACCOUNT") && heading.ends_with("SECRET"),
        "{text}"
    );
    assert!(text.contains("  root  "), "{text}");
    let json = broker.run(&["lease", "list", "--json"]);
    let json: Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["leases"][0]["uid"], 0);
}

#[test]
fn the_days_to_one_moment_are_counted_once() {
    let (end, before) = ("2199-11-21T00:00:00Z", "2026-11-21T00:00:00Z");
    let secret = json!({
        "name": "ci-token", "declared": true, "kind": "classic", "owner": null, "scopes": [],
        "source": "vault", "purposes": [], "state": "ok", "deadline": end, "expires_at": end,
        "rotate_every": null, "rate_floor": null, "version": 1, "created_at": before,
        "set_at": before, "hashed_credential": "x", "last_used": null, "exposed_to": [],
        "check": {
            "checked_at": before, "version": 1, "verdict": "ok", "accepted": true,
            "login": "acme-bot", "expires_at": end, "findings": []
        }
    });
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/secrets/ci-token" => (200, secret.to_string()),
        _ => (200, json!({"secrets": [secret]}).to_string()),
    });
    let days = |args: &[&str]| -> Vec<String> {
        let got = broker.run(args);
        let said = out(&got).split("(in ").skip(1);
        said.map(|rest| rest.split(" d)").next().unwrap().to_owned())
            .collect()
    };
    let shown = days(&["secret", "show", "ci-token"]);
    assert_eq!(
        shown.len(),
        2,
        "the deadline, and the end that the check saw"
    );
    assert_eq!(shown[0], shown[1]);
    assert_eq!(days(&["secret", "list"]), shown[..1]);
}

/// What bash would propose for the last of these words.
fn proposed(broker: &FakeBroker, words: &[&str]) -> (String, String) {
    let index = (words.len() - 1).to_string();
    let mut asked = broker.tokenctl(&[&["--"], words].concat());
    let asked = asked
        .env("TOKEND_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", index)
        .env("_CLAP_IFS", "\n");
    let got = asked.output().unwrap();
    assert!(got.status.success(), "{got:?}");
    (out(&got).to_owned(), err(&got).to_owned())
}

#[test]
fn a_shell_completes_commands_and_the_names_of_purposes_and_secrets() {
    let broker = FakeBroker::answering(|seen| match &*seen.line {
        "GET /v1/purposes" => {
            let list = [purpose("label-sync", "proxy"), purpose("import", "raw")];
            (200, json!({"purposes": list}).to_string())
        }
        _ => (403, "{}".to_owned()),
    });
    let names = |words: &[&str]| proposed(&broker, words).0;
    assert!(names(&["tokenctl", "sec"]).contains("secret"));
    assert_eq!(names(&["tokenctl", "get", "label"]), "label-sync");
    assert_eq!(names(&["tokenctl", "exec", "imp"]), "import");
    // One who is no operator learns no names, and no refusal goes on record.
    let said = proposed(&broker, &["tokenctl", "secret", "show", "c"]);
    assert_eq!(said.1, "");
    assert!(
        broker
            .seen()
            .iter()
            .all(|seen| !seen.line.contains("/v1/secrets"))
    );
}

#[test]
fn without_a_broker_nothing_is_proposed_and_nothing_said() {
    let broker = FakeBroker::granting("t");
    std::fs::remove_file(broker.home.path().join("run/tokend.sock")).unwrap();
    let said = proposed(&broker, &["tokenctl", "get", "label"]);
    assert_eq!(said, (String::new(), String::new()));
}

#[test]
fn a_completion_script_asks_tokenctl() {
    let broker = FakeBroker::granting("t");
    for shell in ["bash", "zsh", "fish"] {
        let script = broker.run(&["completions", shell]);
        assert!(out(&script).contains("TOKEND_COMPLETE="), "{script:?}");
    }
}
