//! `import`: an environment file becomes secrets, in steps that can be taken again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use broker_protocol::error::{ErrorCode, Problem};

use crate::fake_broker::{FakeBroker, Seen, err, out};

const FILE: &str = "\
# tokens
export ORG_LABEL_SYNC_TOKEN=\"ghp_one\"
export SOURCE_PAT='github_pat_two'
EDITOR=vi
";

/// A broker with a vault: name to value. Storing `refuses` fails.
struct Vault {
    broker: FakeBroker,
    values: Arc<Mutex<BTreeMap<String, String>>>,
    file: PathBuf,
}

fn vault(text: &str, refuses: &'static str) -> Vault {
    let values: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let stored = Arc::clone(&values);
    let home: Arc<Mutex<Option<PathBuf>>> = Arc::default();
    let policies = Arc::clone(&home);
    let broker = FakeBroker::answering(move |seen| {
        let mut stored = stored.lock().unwrap();
        match &*seen.line {
            "GET /v1/secrets" => (200, secrets(&stored)),
            line if line.starts_with("GET /v1/secrets/") => {
                let all: serde_json::Value = serde_json::from_str(&secrets(&stored)).unwrap();
                let mut views = all["secrets"].as_array().unwrap().iter();
                let name = line.strip_prefix("GET /v1/secrets/").unwrap();
                let view = views.find(|view| view["name"] == name).unwrap();
                (200, view.to_string())
            }
            "GET /v1/purposes" => (200, r#"{"purposes":[]}"#.to_owned()),
            "POST /v1/policies/reload" => {
                let dir = policies.lock().unwrap().clone().unwrap();
                let names = std::fs::read_dir(dir).unwrap();
                let files: BTreeMap<String, &str> = names
                    .map(|entry| (entry.unwrap().file_name().into_string().unwrap(), "00"))
                    .collect();
                let loaded = serde_json::json!({
                    "files": files, "purposes": 0, "revoked": [], "warnings": []
                });
                (200, loaded.to_string())
            }
            line => {
                let name = line.strip_prefix("PUT /v1/secrets/").unwrap();
                if name == refuses {
                    let problem = Problem::new(ErrorCode::AuditUnavailable, "disk full");
                    return (503, serde_json::to_string(&problem).unwrap());
                }
                stored.insert(name.to_owned(), value(seen));
                let set = serde_json::json!({
                    "name": name, "version": 1, "looks_like": null, "warnings": []
                });
                (200, set.to_string())
            }
        }
    });
    *home.lock().unwrap() = Some(broker.policy(""));
    let file = broker.home.path().join("tokens");
    std::fs::write(&file, text).unwrap();
    Vault {
        broker,
        values,
        file,
    }
}

fn value(seen: &Seen) -> String {
    seen.json()["value"].as_str().unwrap().to_owned()
}

/// The hash of `ghp_one`: printf ghp_one | openssl dgst -sha256 -binary | base64
const HASH_OF_ONE: &str = "Pzs/BHSBcYQxF7fH4tjnxu2nTpMCtM/s/dcDVIXKG1w=";

fn secrets(stored: &BTreeMap<String, String>) -> String {
    let view = |(name, value): (&String, &String)| {
        let hash = if value == "ghp_one" {
            HASH_OF_ONE
        } else {
            "another"
        };
        serde_json::json!({
            "name": name, "declared": true, "kind": "classic", "owner": null, "scopes": [],
            "source": "vault", "purposes": [], "state": "ok", "deadline": null,
            "expires_at": null, "rotate_every": null, "rate_floor": null, "version": 1,
            "created_at": null, "set_at": null, "hashed_credential": hash, "last_used": null,
            "exposed_to": []
        })
    };
    let views: Vec<_> = stored.iter().map(view).collect();
    serde_json::json!({ "secrets": views }).to_string()
}

impl Vault {
    fn import(&self, more: &[&str]) -> std::process::Output {
        let mut args = vec!["import", self.file.to_str().unwrap()];
        args.extend(more);
        self.broker.run(&args)
    }

    fn stored(&self) -> Vec<(String, String)> {
        self.values.lock().unwrap().clone().into_iter().collect()
    }

    fn policies(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.broker.policy("")).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_tokens_in_a_file_are_declared_and_stored_and_never_shown() {
    let vault = vault(FILE, "");
    let got = vault.import(&["--org", "acme"]);
    assert!(got.status.success(), "{}", err(&got));
    assert_eq!(
        vault.stored(),
        [
            pair("org-label-sync-token", "ghp_one"),
            pair("source-pat", "github_pat_two"),
        ]
    );
    assert_eq!(
        vault.policies(),
        ["imported-secrets.toml", "label-sync.toml", "source.toml"]
    );
    let policy = vault.broker.policy("label-sync.toml");
    let policy = std::fs::read_to_string(policy).unwrap();
    assert!(policy.contains("repositories = [\"acme/*\"]"));
    assert!(!policy.lines().any(|line| line.starts_with("[[allow]]")));
    for text in [out(&got), err(&got)] {
        assert!(!text.contains("ghp_") && !text.contains("github_pat_"));
    }
    assert!(err(&got).contains(":4: EDITOR skipped"), "{}", err(&got));
    assert!(out(&got).contains("shred -u"));
    assert!(vault.file.exists());
}

#[test]
fn a_dry_run_changes_nothing() {
    let vault = vault(FILE, "");
    let got = vault.import(&["--org", "acme", "--dry-run"]);
    assert!(out(&got).contains("ORG_LABEL_SYNC_TOKEN -> org-label-sync-token (classic)"));
    assert!(out(&got).contains("label-sync.toml"));
    assert!(vault.stored().is_empty() && vault.policies().is_empty());
    assert!(
        vault
            .broker
            .seen()
            .iter()
            .all(|seen| seen.line.starts_with("GET "))
    );
}

#[test]
fn a_failure_in_the_middle_keeps_what_is_done_and_says_what_is_left() {
    let vault = vault(FILE, "source-pat");
    let got = vault.import(&[]);
    assert_eq!(got.status.code(), Some(6));
    assert_eq!(vault.stored(), [pair("org-label-sync-token", "ghp_one")]);
    assert!(
        err(&got).contains("not stored: source-pat"),
        "{}",
        err(&got)
    );
    assert!(!out(&got).contains("shred"));
}

#[test]
fn a_second_run_goes_on_and_overwrites_nothing() {
    let vault = vault(FILE, "");
    let stored = [("org-label-sync-token", "ghp_one"), ("source-pat", "older")];
    for (name, value) in stored {
        vault
            .values
            .lock()
            .unwrap()
            .insert(name.to_owned(), value.to_owned());
    }
    let got = vault.import(&[]);
    assert_eq!(got.status.code(), Some(1));
    assert!(out(&got).contains("org-label-sync-token: is stored already"));
    assert!(out(&got).contains("source-pat: ANOTHER value is stored"));
    assert_eq!(vault.stored()[1], pair("source-pat", "older"));
    assert!(vault.policies().is_empty());
}

#[test]
fn all_lines_with_a_token_that_cannot_be_read_are_listed_and_nothing_is_imported() {
    let vault = vault(
        "A=ghp_one\nB=ghp_two cmd\nC=$(op read x)\nD='ghp_three\n",
        "",
    );
    let got = vault.import(&[]);
    assert_eq!(got.status.code(), Some(1));
    for line in [2, 4] {
        let place = format!("{}:{line}: it holds a token", vault.file.display());
        assert!(err(&got).contains(&place), "{}", err(&got));
    }
    assert!(!err(&got).contains("ghp_"), "{}", err(&got));
    assert!(vault.stored().is_empty() && vault.policies().is_empty());
}

#[test]
fn lines_of_a_shell_script_without_a_token_are_noted_and_the_tokens_are_stored() {
    let text = "if true; then\nexport PATH=\"$PATH:x\"\nfi\nA=ghp_one\nexport GH_TOKEN=\"${A}\"\n";
    let vault = vault(text, "");
    let got = vault.import(&[]);
    assert!(got.status.success(), "{}", err(&got));
    assert_eq!(vault.stored(), [pair("a", "ghp_one")]);
    let file = vault.file.display();
    for note in [
        format!("{file}:1: skipped: it is not of the form NAME=value\n"),
        format!("{file}:2: skipped: a shell would run a command there"),
        format!("{file}:5: `GH_TOKEN` holds the same value as `A`; not stored twice\n"),
    ] {
        assert!(err(&got).contains(&note), "{note}: {}", err(&got));
    }
}

#[test]
fn a_value_that_the_vault_has_under_another_name_is_not_stored_twice() {
    let vault = vault("OTHER=ghp_one\n", "");
    let known = ("org-label-sync-token".to_owned(), "ghp_one".to_owned());
    vault.values.lock().unwrap().extend([known.clone()]);
    let got = vault.import(&["--org", "acme"]);
    assert!(got.status.success(), "{}", err(&got));
    let said =
        "`OTHER` holds the same value as the secret `org-label-sync-token`; not stored twice";
    assert!(err(&got).contains(said), "{}", err(&got));
    assert_eq!(vault.stored(), [known]);
    assert!(vault.policies().is_empty());
}

#[test]
fn the_file_that_was_imported_is_named_in_the_policy_for_doctor() {
    let vault = vault(FILE, "");
    vault.import(&[]);
    let policy = std::fs::read_to_string(vault.broker.policy("imported-secrets.toml")).unwrap();
    let line = format!("# Imported from {}\n", vault.file.display());
    assert!(policy.contains(&line), "{policy}");
}

#[test]
fn a_pipe_is_read_and_leaves_no_file_to_remove() {
    let vault = vault("", "");
    let got = vault.broker.run_with(&["import", "-"], FILE);
    assert!(got.status.success(), "{}", err(&got));
    assert_eq!(vault.stored().len(), 2);
    assert!(!out(&got).contains("shred"));
    let policy = std::fs::read_to_string(vault.broker.policy("imported-secrets.toml")).unwrap();
    assert!(!policy.contains("Imported from"), "{policy}");
}

#[test]
fn a_proposed_purpose_allows_the_account_that_is_named_and_no_other() {
    let vault = vault(FILE, "");
    let got = vault.import(&["--org", "acme", "--allow", "no-such-account"]);
    assert!(
        err(&got).contains("no account `no-such-account`"),
        "{}",
        err(&got)
    );
    assert!(vault.policies().is_empty() && vault.stored().is_empty());
    let got = vault.import(&["--org", "acme", "--allow", "root"]);
    assert!(got.status.success(), "{}", err(&got));
    let policy = std::fs::read_to_string(vault.broker.policy("label-sync.toml")).unwrap();
    assert!(
        policy.ends_with("\n[[allow]]\ncaller = { user = \"root\" }\n"),
        "{policy}"
    );
    assert!(
        out(&got).contains("root may use label-sync"),
        "{}",
        out(&got)
    );
}
