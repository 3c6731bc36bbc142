//! GitHub's official clients against the same stand-in, with the same App: they get what the broker
//! gets for a lease.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::github::{App, AppKey, Level, Permissions, Repositories, StandIn, World, hashed};
use support::{Home, TestBroker, needs};

use crate::script;

const CLIENT: &str = "Iv23liClients";

const SECRETS: &str = r#"
[secret.acme-import-app]
kind      = "app"
client_id = "Iv23liClients"
"#;

const IMPORT: &str = r#"
purpose      = "acme-import"
secret       = "acme-import-app"
repositories = ["acme/one", "acme/two"]
permissions  = { contents = "read", metadata = "read" }
ttl          = { default = "15m", max = "1h" }

[[allow]]
caller = { uid = UID }
"#;

/// Two repositories of three are in the installation.
fn stand_in() -> (StandIn, AppKey) {
    let key = AppKey::generate();
    let permissions = [("contents", Level::Read), ("issues", Level::Write)];
    let app = App::new(CLIENT, "acme", &key, &permissions)
        .installed("acme", Repositories::selected(&["acme/one", "acme/two"]));
    let world = World::new().organization("acme", &["acme-bot"]).app(app);
    let repositories = ["acme/one", "acme/two", "acme/three"];
    let world = repositories.into_iter().fold(world, World::repository);
    (StandIn::start(world), key)
}

fn broker(github: &StandIn, key: &AppKey) -> TestBroker {
    let home = Home::ready();
    home.config(&format!(
        "[github]\napi = \"{}\"\nca = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
        github.api(),
        github.ca().display()
    ));
    home.policy("apps.toml", SECRETS);
    let uid = nix::unistd::geteuid().to_string();
    home.policy("acme-import.toml", &IMPORT.replace("UID", &uid));
    let broker = home.start();
    let set = ["secret", "set", "acme-import-app"];
    broker.home.ctl_with(&set, key.pem()).success();
    broker
}

/// Permissions and repositories of a token.
fn grant(github: &StandIn, answer: &Value) -> (Permissions, BTreeSet<String>) {
    let token = answer["token"].as_str().unwrap();
    github.change(|state| state.grant_of(token))
}

#[test]
fn octokit_and_pygithub_get_the_scopes_that_the_broker_gets_for_a_lease() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let (github, key) = stand_in();
    let broker = broker(&github, &key);
    let installation = github.change(|state| state.installation_on("acme").id);
    for (script, repositories) in [
        ("auth_app.mjs", vec!["one"]),
        ("auth_app.mjs", vec!["one", "two"]),
        // It cannot cut a token down to repositories: all of the installation.
        ("pygithub.py", vec!["one", "two"]),
    ] {
        github.forget_calls();
        let told = json!({
            "api": github.plain(), "client_id": CLIENT, "private_key": key.pem(),
            "owner": "acme", "repositories": repositories, "permissions": {"contents": "read"},
        });
        let got = script::run(&tools, script, &told);
        assert_eq!(got["installation"], installation, "{script}");
        assert_eq!(got["reads"], 200, "{script}");
        let used = hashed(got["token"].as_str().unwrap());
        let journal = github.journal();
        let mut calls = journal.iter();
        let read = calls
            .find(|call| call.path.ends_with("/contents/README.md"))
            .unwrap();
        assert_eq!(read.hashed_token.as_ref(), Some(&used), "{script}");
        assert_eq!(
            read.principal,
            format!("installation {installation}"),
            "{script}"
        );

        let full: Vec<_> = repositories
            .iter()
            .map(|name| format!("acme/{name}"))
            .collect();
        let lease =
            broker.lease(&json!({"purpose": "acme-import", "repositories": full}).to_string());
        assert_eq!(lease.status, 201, "{lease:?}");
        let lease = lease.json();
        assert_eq!(grant(&github, &lease), grant(&github, &got), "{script}");
        assert_eq!(json!(lease["repositories"]), json!(full));
        assert_eq!(got["repositories"], json!(full), "{script}");
    }
}
