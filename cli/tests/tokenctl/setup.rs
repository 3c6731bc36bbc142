//! `setup` where much is there already: what it leaves alone, what it finishes, and what it refuses.

use std::fs;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, operators_status, out, purpose};

/// What the broker has.
struct Held {
    secrets: Vec<Value>,
    purposes: Vec<Value>,
    /// Files that are on disk and not loaded; a reload loads them.
    changed: Vec<&'static str>,
    /// Purposes that a reload brings.
    waiting: Vec<Value>,
}

fn secret(name: &str) -> Value {
    json!({
        "name": name, "declared": true, "kind": "classic", "owner": "acme", "scopes": [],
        "source": "vault", "purposes": [], "state": "ok", "hashed_credential": "another",
        "exposed_to": [],
    })
}

fn status(held: &Held) -> Value {
    let mut status = operators_status();
    status["broker"]["policy_files_changed"] = json!(held.changed);
    status
}

fn answer(held: &mut Held, line: &str) -> Value {
    match line {
        "GET /v1/status" => status(held),
        "POST /v1/policies/reload" => {
            held.changed.clear();
            held.purposes.append(&mut held.waiting);
            let files = json!({"imported-secrets.toml": "00"});
            json!({ "files": files, "purposes": 1, "revoked": [], "warnings": [] })
        }
        line if line.starts_with("GET /v1/secrets") => json!({ "secrets": held.secrets }),
        line if line.starts_with("GET /v1/purposes") => json!({ "purposes": held.purposes }),
        line => {
            let (_, name) = line.split_once("PUT /v1/secrets/").unwrap();
            held.secrets.push(secret(name));
            json!({ "name": name, "version": 1, "looks_like": null, "warnings": [] })
        }
    }
}

/// A broker with one secret and a purpose `site` on it that gives contents of `acme/*`.
fn broker(change: impl FnOnce(&mut Held)) -> FakeBroker {
    let mut site = purpose("site", "proxy");
    site["secret"] = "site-token".into();
    let mut held = Held {
        secrets: vec![secret("site-token")],
        purposes: vec![site],
        changed: Vec::new(),
        waiting: Vec::new(),
    };
    change(&mut held);
    let held = Arc::new(Mutex::new(held));
    let broker = FakeBroker::answering(move |seen| {
        (
            200,
            answer(&mut held.lock().unwrap(), &seen.line).to_string(),
        )
    });
    fs::write(broker.home.path().join("vault.db"), "").unwrap();
    fs::write(broker.policy("by-us.toml"), "purpose = \"site\"\n").unwrap();
    broker
}

fn setup(broker: &FakeBroker, more: &[&str]) -> Output {
    broker.run(&[&["setup", "--yes"], more].concat())
}

fn asked(broker: &FakeBroker, line: &str) -> usize {
    let seen = broker.seen();
    seen.iter().filter(|seen| seen.line == line).count()
}

#[test]
fn a_file_to_import_is_imported_although_a_secret_has_a_value() {
    let broker = broker(|_| {});
    let file = broker.home.path().join("tokens");
    fs::write(&file, "export OTHER_TOKEN=ghp_other\n").unwrap();
    let import = ["--import", file.to_str().unwrap()];
    let got = setup(&broker, &import);
    assert!(got.status.success(), "{}{}", out(&got), err(&got));
    assert_eq!(asked(&broker, "PUT /v1/secrets/other-token"), 1);

    fs::remove_file(&file).unwrap();
    let got = setup(&broker, &import);
    assert_eq!(got.status.code(), Some(1), "{}", out(&got));
    assert!(err(&got).contains("cannot read"), "{}", err(&got));
    assert!(err(&got).contains("setup stopped"), "{}", err(&got));
}

#[test]
fn a_purpose_that_is_what_the_options_ask_for_is_found_whatever_the_order_and_the_letters() {
    let broker = broker(|held| held.purposes[0]["repositories"] = json!(["acme/one", "acme/two"]));
    let repos = ["--repo", "Acme/Two", "--repo", "acme/one"];
    let permission = ["--permission", "contents=write"];
    let got = setup(&broker, &[&repos[..], &permission].concat());
    assert!(got.status.success(), "{}", err(&got));
    assert!(
        out(&got).contains("found the purpose site"),
        "{}",
        out(&got)
    );
    let got = setup(&broker, &[]);
    assert!(
        out(&got).contains("found the purpose site"),
        "{}",
        out(&got)
    );
}

#[test]
fn a_purpose_that_is_not_what_the_options_ask_for_is_an_error_and_stays_as_it_is() {
    for (no_rule, option, value) in [
        (false, "--repo", "acme/site"),
        (false, "--permission", "issues=write"),
        (true, "--repo", "acme/site"),
        (true, "--secret", "other-token"),
    ] {
        let broker = broker(|held| {
            held.secrets.push(secret("other-token"));
            if no_rule {
                held.purposes[0]["rule"] = Value::Null;
            }
        });
        let got = setup(&broker, &["--purpose", "site", option, value]);
        assert_eq!(got.status.code(), Some(1), "{}{}", out(&got), err(&got));
        let why = format!("the purpose `site` exists already, and is not what {option} asks for");
        assert!(err(&got).contains(&why), "{}", err(&got));
        for remedy in ["by-us.toml", "`tokenctl policy new`"] {
            assert!(err(&got).contains(remedy), "{}", err(&got));
        }
        assert!(!out(&got).contains("$ "), "{}", out(&got));
    }
    // Also where the options name no purpose, unless another one is what they ask for.
    let exact = broker(|held| {
        let mut other = held.purposes[0].clone();
        other["purpose"] = "exact".into();
        other["repositories"] = json!(["acme/site"]);
        held.purposes.push(other);
    });
    let got = setup(&exact, &["--repo", "acme/site"]);
    assert!(
        out(&got).contains("found the purpose exact"),
        "{}",
        err(&got)
    );
    let got = setup(&exact, &["--repo", "acme/docs"]);
    assert_eq!(got.status.code(), Some(1), "{}", out(&got));
}

#[test]
fn what_an_interrupted_command_wrote_is_loaded_first() {
    let broker = broker(|held| {
        held.changed.push("by-us.toml");
        held.waiting.append(&mut held.purposes);
    });
    let got = setup(&broker, &["--repo", "acme/*"]);
    assert!(got.status.success(), "{}{}", out(&got), err(&got));
    let loads = out(&got).matches("$ ").count();
    assert_eq!(loads, 1, "{}", out(&got));
    assert!(out(&got).contains("policy reload\n"), "{}", out(&got));
    assert!(
        out(&got).contains("found the purpose site"),
        "{}",
        out(&got)
    );
}

#[test]
fn a_purpose_gets_no_name_that_a_file_has() {
    let broker = broker(|held| {
        held.secrets = vec![secret("second")];
        held.purposes.clear();
    });
    fs::write(broker.policy("second.toml"), "[secret.second]\n").unwrap();
    let got = setup(
        &broker,
        &["--repo", "acme/site", "--permission", "issues=read"],
    );
    // Where the line is broken depends on how long this program's path is.
    let line = out(&got).replace(" \\\n   ", "");
    assert!(
        line.contains("policy new second-2 --secret second"),
        "{}{}",
        out(&got),
        err(&got)
    );
}

#[test]
fn a_secret_whose_value_github_refused_is_what_a_new_value_is_asked_for() {
    let broker = broker(|held| {
        held.secrets[0]["state"] = "rejected".into();
        held.purposes.clear();
    });
    let tokens = broker.home.path().join(".github-tokens");
    fs::write(&tokens, "export SITE_TOKEN=ghp_rejected\n").unwrap();
    let got = broker.run_with(&["setup", "--yes"], "ghp_another\n");
    let printed = out(&got);
    assert!(
        printed.contains("found the secret site-token, which is rejected\n"),
        "{got:?}"
    );
    assert!(printed.contains("secret set site-token\n"), "{got:?}");
    assert_eq!(asked(&broker, "PUT /v1/secrets/site-token"), 1);
}

#[test]
fn a_broker_to_try_is_not_set_up() {
    let dev = r#"{"version":"1","dev":true,"locked":false,"ready":true,"not_ready":[],"operator":true,"own_leases":0,
        "caller":{"uid":0,"gid":0,"pid":1,"unit":null,"user_unit":null,"exe":null}}"#;
    let broker = FakeBroker::answering(move |_| (200, dev.to_owned()));
    let got = setup(&broker, &["--no-recovery"]);
    assert!(err(&got).contains("is `tokend --dev`"), "{}", err(&got));
    assert!(!broker.home.path().join("vault.db").exists());
}
