//! The stand-in as a program: for the demo, for shells, for other languages.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::curl::Curl;
use support::github::AppKey;

#[test]
fn the_program_prints_where_it_is_and_ends_with_its_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("world.json");
    let world = json!({
        "users": ["alice"],
        "organizations": {"acme": ["acme-bot"]},
        "repositories": [{"full_name": "acme/site", "environments": ["prod"]}],
        "tokens": [{
            "token": "ghp_program", "login": "acme-bot", "kind": {"classic": {"scopes": ["repo"]}},
            "expires_at": "2099-01-01T00:00:00Z", "expiry_header": "offset",
        }],
        "apps": [{
            "slug": "importer", "client_id": "Iv23liProgram", "owner": "acme",
            "permissions": {"contents": "read"}, "keys": [AppKey::generate().pem()],
            "installations": [{"account": "acme", "repositories": {"selected": ["acme/site"]}}],
        }],
    });
    std::fs::write(&file, world.to_string()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stand-in-github"))
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let address = |name: &str| addresses[name].as_str().unwrap();
    for (base, ca) in [
        (address("api"), Some(address("ca").into())),
        (address("plain"), None),
    ] {
        let got = Curl::to(base, ca).ask("GET /user", "ghp_program");
        assert_eq!(got.json()["login"], "acme-bot");
        let ends = got.header("github-authentication-token-expiration");
        assert_eq!(ends.as_deref(), Some("2099-01-01 02:00:00 +0200"));
    }
    let untrusting = Curl::to(address("api"), None).ask("GET /user", "ghp_program");
    assert_eq!(untrusting.status, 0, "no one else trusts its authority");

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(
        Curl::to(address("plain"), None).ask("GET /user", "").status,
        0
    );
}

#[test]
fn a_world_with_a_word_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("world.json");
    std::fs::write(&file, r#"{"tokns": []}"#).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_stand-in-github"));
    let output = program.arg(&file).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("tokns"));
}
