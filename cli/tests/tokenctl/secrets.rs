//! `secret`: values go from stdin to the broker; policy files are written whole or not at all.

use broker_protocol::error::{ErrorCode, Problem};

use crate::fake_broker::{FakeBroker, err, out};

/// As for a name that no policy declares.
fn not_found() -> (u16, String) {
    let problem = Problem::new(ErrorCode::NotFound, "no policy declares it");
    (404, serde_json::to_string(&problem).unwrap())
}

/// A secret that is declared.
fn declared(kind: &str, source: &str, state: &str) -> String {
    serde_json::json!({
        "name": "source-pat", "declared": true, "kind": kind, "owner": null, "scopes": [],
        "source": source, "purposes": [], "state": state, "exposed_to": [],
    })
    .to_string()
}

/// A broker that loads every file in its policies and stores every value it is sent.
fn broker() -> FakeBroker {
    FakeBroker::answering(|seen| match &*seen.line {
        line if line.starts_with("GET /v1/secrets/") => not_found(),
        "POST /v1/policies/reload" => {
            let loaded = serde_json::json!({
                "files": {"source-pat.toml": "00"}, "purposes": 0, "revoked": [], "warnings": []
            });
            (200, loaded.to_string())
        }
        _ => {
            let set = serde_json::json!({
                "name": "source-pat", "version": 1, "looks_like": null, "warnings": ["odd"]
            });
            (200, set.to_string())
        }
    })
}

#[test]
fn a_value_goes_from_stdin_to_the_broker_without_its_newline() {
    let broker = broker();
    let args = ["secret", "set", "source-pat", "--expires", "2027-02-20"];
    let got = broker.run_with(&args, "ghp_canary\n");
    assert_eq!(out(&got), "source-pat is stored as version 1\n");
    assert_eq!(err(&got), "tokenctl: warning: odd\n");
    assert_eq!(broker.seen()[0].line, "PUT /v1/secrets/source-pat");
    let want = serde_json::json!({"value": "ghp_canary", "expires_at": "2027-02-20T00:00:00Z"});
    assert_eq!(broker.seen()[0].json(), want);
    // As another system's editor may have written it.
    broker.run_with(&args, "\u{feff}ghp_canary\r\n");
    assert_eq!(broker.seen()[1].json(), want);
}

#[test]
fn a_value_that_was_brought_back_is_told_with_its_version_and_whose_copy_it_is() {
    let set = serde_json::json!({
        "name": "source-pat", "version": 3, "restores": 1, "looks_like": null, "warnings": []
    });
    let broker = FakeBroker::answering(move |_| (200, set.to_string()));
    let got = broker.run(&["secret", "set", "source-pat", "--undo"]);
    let told = "is stored as version 3, a copy of version 1";
    assert!(out(&got).contains(told), "{got:?}");
    assert_eq!(broker.seen()[0].line, "POST /v1/secrets/source-pat/undo");
}

#[test]
fn what_is_no_value_is_never_sent() {
    let broker = broker();
    for value in ["", "\n", "ghp_canary x", "ghp_canary\nmore\n", "a\0b"] {
        let got = broker.run_with(&["secret", "set", "source-pat"], value);
        assert_eq!(got.status.code(), Some(2), "{value:?}");
        assert!(!err(&got).contains("ghp_canary"));
    }
    assert!(broker.seen().is_empty());
}

#[test]
fn a_proxy_token_is_no_secret_and_is_not_repeated_where_an_argument_is_refused() {
    let broker = broker();
    let got = broker.run_with(&["secret", "set", "source-pat"], "tkp_canary\n");
    assert_eq!(got.status.code(), Some(2), "{got:?}");
    assert!(
        err(&got).contains("it is a proxy token (`tkp_`)"),
        "{got:?}"
    );
    let argument = broker.run(&["secret", "set", "source-pat", "tkp_canary"]);
    assert_eq!(argument.status.code(), Some(2));
    assert!(err(&argument).contains("[masked]"), "{argument:?}");
    for got in [got, argument] {
        assert!(!err(&got).contains("tkp_canary"), "{got:?}");
    }
    assert!(broker.seen().is_empty());
}

#[test]
fn add_writes_one_file_has_it_loaded_and_stores_the_value() {
    let broker = broker();
    let args = "secret add source-pat --kind fine-grained --repository acme/one \
                --permission contents=read --rotate-every 90d";
    let args: Vec<&str> = args.split_whitespace().collect();
    let got = broker.run_with(&args, "github_pat_canary\n");
    assert!(got.status.success(), "{}", err(&got));
    let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
    assert_eq!(
        text,
        "[secret.source-pat]\n\
         kind         = \"fine-grained\"\n\
         source       = \"vault\"\n\
         repositories = [\"acme/one\"]\n\
         permissions  = { contents = \"read\" }\n\
         rotate_every = \"90d\"\n"
    );
    let lines: Vec<String> = broker.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/secrets/source-pat",
            "POST /v1/policies/reload",
            "PUT /v1/secrets/source-pat"
        ]
    );
}

/// A broker that says what GitHub says of a value, and refuses to load policies the second time if asked to.
fn broker_that_checks(refuses: bool) -> FakeBroker {
    let loads = std::sync::atomic::AtomicU32::new(0);
    FakeBroker::answering(move |seen| {
        if seen.line.starts_with("GET /v1/secrets/") {
            return not_found();
        }
        if seen.line != "POST /v1/policies/reload" {
            let set = serde_json::json!({
                "name": "source-pat", "version": 1, "looks_like": "classic", "warnings": [],
                "check": {
                    "verdict": "ok", "checked_at": "2026-11-29T00:00:00Z", "accepted": true,
                    "login": "acme-bot", "scopes": ["repo", "read:org"], "findings": []
                }
            });
            return (200, set.to_string());
        }
        let nth = loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if refuses && nth == 1 {
            let problem = Problem::new(ErrorCode::BadRequest, "x.toml:3: no");
            return (400, serde_json::to_string(&problem).unwrap());
        }
        let loaded = serde_json::json!({
            "files": {"source-pat.toml": "00"}, "purposes": 0, "revoked": [], "warnings": []
        });
        (200, loaded.to_string())
    })
}

#[test]
fn add_writes_what_github_says_of_the_value_where_nothing_else_was_said() {
    for (options, want) in [
        (
            &[][..],
            "owner        = \"acme-bot\"\nscopes       = [\"repo\", \"read:org\"]\n",
        ),
        (
            &["--owner", "someone", "--scope", "repo"],
            "owner        = \"someone\"\nscopes       = [\"repo\"]\n",
        ),
    ] {
        let broker = broker_that_checks(false);
        let args = [&["secret", "add", "source-pat"], options].concat();
        let got = broker.run_with(&args, "ghp_canary\n");
        assert!(got.status.success(), "{}", err(&got));
        let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
        let table = "[secret.source-pat]\nkind         = \"classic\"\nsource       = \"vault\"\n";
        assert_eq!(text, format!("{table}{want}"));
    }
}

#[test]
fn what_github_says_is_taken_back_out_of_a_file_that_the_broker_then_refuses() {
    let broker = broker_that_checks(true);
    let got = broker.run_with(&["secret", "add", "source-pat"], "ghp_canary\n");
    assert!(got.status.success(), "the value is stored: {}", err(&got));
    assert!(err(&got).contains("x.toml:3: no"), "{}", err(&got));
    let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
    assert!(text.ends_with("source       = \"vault\"\n"), "{text}");
}

#[test]
fn the_kind_is_read_off_the_value_where_it_is_not_said() {
    let broker = broker();
    let got = broker.run_with(&["secret", "add", "source-pat"], "github_pat_canary\n");
    assert!(got.status.success(), "{}", err(&got));
    let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
    assert!(text.contains("= \"fine-grained\""), "{text}");
}

#[test]
fn a_file_that_the_broker_refuses_is_taken_back() {
    let problem = Problem::new(ErrorCode::BadRequest, "x.toml:3: no");
    let refused = serde_json::to_string(&problem).unwrap();
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "POST /v1/policies/reload" => (400, refused.clone()),
        _ => not_found(),
    });
    let got = broker.run_with(&["secret", "add", "source-pat"], "ghp_canary\n");
    assert_eq!(got.status.code(), Some(1));
    assert!(err(&got).contains("x.toml:3: no"));
    assert!(!broker.policy("source-pat.toml").exists());
    // The second time without the file, so that the refusal is not held against what is left.
    let lines: Vec<String> = broker.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines[1..], ["POST /v1/policies/reload"; 2]);
}

#[test]
fn a_file_that_the_broker_does_not_read_is_taken_back() {
    let broker = broker();
    let got = broker.run_with(&["secret", "add", "other"], "ghp_canary\n");
    assert_eq!(got.status.code(), Some(1));
    assert!(err(&got).contains("does not read"), "{}", err(&got));
    assert!(!broker.policy("other.toml").exists());
}

#[test]
fn a_file_that_is_there_is_never_touched() {
    let broker = broker();
    std::fs::write(broker.policy("source-pat.toml"), "# mine").unwrap();
    let got = broker.run_with(&["secret", "add", "source-pat"], "ghp_canary\n");
    assert_eq!(got.status.code(), Some(1));
    let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
    assert_eq!(text, "# mine");
    assert_eq!(broker.seen().len(), 1, "its value went nowhere");
}

#[test]
fn a_secret_from_elsewhere_is_declared_and_no_value_asked_for() {
    let broker = broker();
    let args = "secret add source-pat --kind classic --source env:SOURCE_PAT";
    let got = broker.run(&args.split(' ').collect::<Vec<_>>());
    assert!(got.status.success(), "{}", err(&got));
    assert_eq!(broker.seen().len(), 2);
}

#[test]
fn a_run_that_was_interrupted_before_the_value_was_stored_is_resumed() {
    let broker = FakeBroker::answering(|seen| match &*seen.line {
        "GET /v1/secrets/source-pat" => (200, declared("classic", "vault", "missing")),
        _ => {
            let set = serde_json::json!({
                "name": "source-pat", "version": 1, "looks_like": null, "warnings": []
            });
            (200, set.to_string())
        }
    });
    let got = broker.run_with(&["secret", "add", "source-pat"], "ghp_canary\n");
    assert!(got.status.success(), "{}", err(&got));
    assert!(
        err(&got).contains("declared already and has no value"),
        "{}",
        err(&got)
    );
    let lines: Vec<String> = broker.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines[1..], ["PUT /v1/secrets/source-pat"]);
    assert!(!broker.policy("source-pat.toml").exists());
    let other = ["secret", "add", "source-pat", "--kind", "fine-grained"];
    let got = broker.run_with(&other, "github_pat_canary\n");
    assert!(
        err(&got).contains("is declared already, as classic"),
        "{}",
        err(&got)
    );
    assert_eq!(broker.seen().len(), 3);
}

#[test]
fn a_name_that_has_a_value_is_refused_before_one_is_asked_for_with_the_command_that_replaces_it() {
    for (source, hint) in [
        ("vault", "a new value: `tokenctl secret set source-pat`"),
        (
            "env:A",
            "`tokenctl secret move source-pat --to PLACE` changes the place",
        ),
    ] {
        let broker = FakeBroker::answering(move |_| (200, declared("classic", source, "ok")));
        let got = broker.run(&["secret", "add", "source-pat"]);
        assert_eq!(got.status.code(), Some(1), "{}", err(&got));
        assert!(
            err(&got).contains("`source-pat` exists already"),
            "{}",
            err(&got)
        );
        assert!(err(&got).contains(hint), "{}", err(&got));
        assert_eq!(broker.seen().len(), 1);
    }
}

#[test]
fn no_value_and_an_odd_one_write_nothing() {
    let broker = broker();
    for value in ["", "ghp_canary x\n"] {
        let got = broker.run_with(&["secret", "add", "source-pat"], value);
        assert_eq!(got.status.code(), Some(2), "{}", err(&got));
        assert!(!broker.policy("source-pat.toml").exists());
    }
    let lines = broker.seen().into_iter().map(|seen| seen.line);
    assert!(lines.into_iter().all(|line| line.starts_with("GET ")));
}

#[test]
fn a_kind_that_cannot_be_told_is_not_guessed() {
    let broker = broker();
    let add = |more: &[&str], value: &str| {
        let args = [&["secret", "add", "source-pat"], more].concat();
        broker.run_with(&args, value)
    };
    for (options, value) in [
        (&[][..], "odd-canary\n"),
        (&[], "ghs_canary\n"),
        (&["--source", "env:A"], ""),
    ] {
        let got = add(options, value);
        assert_eq!(got.status.code(), Some(2), "{}", err(&got));
        let said = "the kind of the token is not known; pass --kind";
        assert!(err(&got).contains(said), "{}", err(&got));
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(err(&add(&[], pem)).contains("pass --kind app"));
    assert!(!broker.policy("source-pat.toml").exists());
    let got = add(&["--scope", "repo"], "odd-canary\n");
    assert!(got.status.success(), "{}", err(&got));
    let text = std::fs::read_to_string(broker.policy("source-pat.toml")).unwrap();
    assert!(text.contains("= \"classic\""), "{text}");
}

#[test]
fn a_token_where_a_file_or_a_name_belongs_is_repeated_by_no_error() {
    let broker = broker();
    for line in [
        "rotate source-pat --value-file ghp_canary",
        "import ghp_canary",
        "import ./ghp_canary",
        "--config ghp_canary/x.toml secret add source-pat --kind classic --source env:A",
        "--socket ghp_canary status",
        "secret add ghp_canary",
        "secret set source-pat ghp_canary",
        "get ghp_canary",
        "get p --repo ghp_canary",
        "get p --ttl ghp_canary",
        "backup --verify ghp_canary",
        "audit verify ghp_canary",
        "exec p -- ghp_canary",
        "ghp_canary",
        "policy check ghp_canary",
    ] {
        let got = broker.run(&line.split(' ').collect::<Vec<_>>());
        assert!(!got.status.success(), "{line}");
        for text in [out(&got), err(&got)] {
            assert!(!text.contains("canary"), "{line}: {text}");
        }
    }
}

#[test]
fn without_a_terminal_nothing_is_erased_without_yes() {
    let broker = broker();
    let got = broker.run(&["secret", "remove", "source-pat"]);
    assert_eq!(got.status.code(), Some(2));
    assert!(broker.seen().is_empty());
    let got = broker.run(&["secret", "remove", "source-pat", "--yes"]);
    assert!(got.status.success());
    assert_eq!(broker.seen()[0].line, "DELETE /v1/secrets/source-pat");
}

#[test]
fn unlocking_sends_the_passphrase_only_where_one_is_wanted() {
    let broker = broker();
    broker.run_with(&["unlock", "--passphrase"], "correct horse\n");
    let body = broker.seen()[0].json();
    assert_eq!(body, serde_json::json!({"passphrase": "correct horse"}));
}
