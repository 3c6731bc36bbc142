//! Values on their way from one source to another, while leases go on.

mod connect;
mod edges;
mod ends;
mod killed;
mod story;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;
use support::broker::{MANY_LEASES, Ran, like_label_sync};
use support::{Home, TestBroker};

/// Four secrets in an environment file: the secret, its variable, its value.
pub(crate) const FOUR: [(&str, &str, &str); 4] = [
    (
        "org-label-sync-token",
        "ORG_LABEL_SYNC_TOKEN",
        "ghp_CANARYcanaryCANARYcanaryCANARYcan0011",
    ),
    (
        "org-project-admin-token",
        "ORG_PROJECT_ADMIN_TOKEN",
        "ghp_CANARYcanaryCANARYcanaryCANARYcan0012",
    ),
    (
        "org-onboarding-token",
        "ORG_ONBOARDING_TOKEN",
        "ghp_CANARYcanaryCANARYcanaryCANARYcan0013",
    ),
    (
        "org-repo-analysis-token",
        "ORG_REPO_ANALYSIS_TOKEN",
        "ghp_CANARYcanaryCANARYcanaryCANARYcan0014",
    ),
];

const NAME: &str = FOUR[0].0;
const ENV: &str = "env:ORG_LABEL_SYNC_TOKEN";
const VALUE: &str = FOUR[0].2;

/// A home whose four secrets come from the broker's environment, each behind a purpose of its name.
fn home(config: &str) -> Home {
    let home = Home::ready();
    home.config(&format!("{MANY_LEASES}{config}"));
    fs::remove_file(home.places.policies.join("label-sync.toml")).unwrap();
    let mut secrets = String::from("# Kept by hand.\n");
    for (name, variable, _) in FOUR {
        secrets.push_str(&format!(
            "\n[secret.{name}]\nkind   = \"classic\" # of {name}\nsource = \"env:{variable}\"\n"
        ));
        let purpose = like_label_sync(name, name);
        home.policy(&format!("{name}.purpose.toml"), &purpose);
    }
    home.policy("secrets.toml", &secrets);
    home
}

/// Starts it with the four variables, as an environment file would.
fn start(home: Home) -> TestBroker {
    start_with(home, |_command| ())
}

fn start_with(home: Home, more: impl FnOnce(&mut Command)) -> TestBroker {
    TestBroker::start(home, |command| {
        for (_, variable, value) in FOUR {
            command.env(variable, value);
        }
        more(command);
    })
}

fn policy(home: &Home) -> String {
    fs::read_to_string(home.places.policies.join("secrets.toml")).unwrap()
}

/// `tokenctl secret move` with these words.
fn moving(home: &Home, words: &[&str]) -> Command {
    let mut command = home.tokenctl();
    command.args(["secret", "move"]).args(words);
    command
}

fn run(broker: &TestBroker, words: &[&str]) -> Ran {
    Ran::of(&mut moving(&broker.home, words))
}

fn lease(broker: &TestBroker, name: &str) -> (u16, Value) {
    let answer = broker.lease(&format!(r#"{{"purpose":"{name}"}}"#));
    (answer.status, answer.json())
}

#[track_caller]
fn assert_serves(broker: &TestBroker, name: &str, value: &str) {
    let (status, body) = lease(broker, name);
    assert_eq!(
        (status, body["token"].as_str()),
        (201, Some(value)),
        "{body}"
    );
}

/// Where policies in force take it from.
fn source(broker: &TestBroker, name: &str) -> String {
    let shown = broker.http("GET", &format!("/v1/secrets/{name}"), "");
    shown.json()["source"].as_str().unwrap().to_owned()
}

/// Does something while leases on all four are taken without a pause; none may fail, or give another
/// value. Returns how many were taken.
fn while_leases_are_taken(broker: &TestBroker, work: impl FnOnce()) -> u32 {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let taker = scope.spawn(|| {
            let mut taken = 0;
            while !done.load(Ordering::Relaxed) {
                for (name, _, value) in FOUR {
                    assert_serves(broker, name, value);
                    taken += 1;
                }
            }
            taken
        });
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let taken = taker.join().unwrap();
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken
    })
}
