//! What GitHub says of secrets, and what is found in it.

mod refusals;
mod unanswered;

use std::fs;

use serde_json::{Value, json};
use support::github::{
    App, AppKey, ExpiryHeader, Level, Pat, Repositories, StandIn, World, classic_token,
    fine_grained_token,
};
use support::scenes::checks::{checked, faults};
use support::scenes::four_tokens::{NAMES, SYSTEM};
use support::{Home, wait};

use super::InProcess;
use super::in_process::ready;

const FINE: &str = r#"
[secret.source-pat]
kind         = "fine-grained"
owner        = "acme-bot"
repositories = ["acme/one", "acme/two"]
permissions  = { contents = "read", issues = "write", metadata = "read", members = "read" }

[secret.other-pat]
kind         = "fine-grained"
owner        = "acme-bot"
repositories = ["acme/three", "acme/open"]
permissions  = { metadata = "read" }
"#;

const APP: &str = r#"
[secret.import-app]
kind      = "app"
client_id = "Iv23liABCDEF"
"#;

const IMPORT: &str = r#"
purpose      = "import"
secret       = "import-app"
repositories = ["acme/one"]
permissions  = { contents = "read", issues = "write" }
ttl          = { default = "15m", max = "1h" }
"#;

fn home(policies: &str) -> Home {
    let home = ready();
    home.policy("secrets.toml", policies);
    fs::remove_file(home.places.policies.join("label-sync.toml")).unwrap();
    home
}

/// A broker that asks this stand-in only when a test does.
fn started(github: &StandIn, policies: &str) -> InProcess {
    let home = home(policies);
    home.github(github, "check_every = \"off\"\npoll_every = \"off\"");
    InProcess::start(home)
}

fn set(broker: &InProcess, name: &str, value: &str) {
    broker.set(name, value);
}

fn verdict<'a>(check: &'a Value, word: &str) -> &'a str {
    let mut findings = check["findings"].as_array().unwrap().iter();
    let finding = findings.find(|finding| finding["word"] == word);
    finding.map_or("", |finding| finding["verdict"].as_str().unwrap())
}

#[test]
fn the_end_that_github_names_bounds_leases_and_sets_the_deadline() {
    let token = classic_token();
    let github = StandIn::start(World::new().user("acme-bot"));
    let soon = github.change(|state| state.clock.now()) + jiff::SignedDuration::from_mins(30);
    let pat = Pat::classic(&token, "acme-bot", &["repo", "workflow"]);
    github.change(|state| state.add(World::new().pat(pat.expires(soon, ExpiryHeader::Offset))));
    let home = ready();
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = InProcess::start(home);
    set(&broker, NAMES[0], &token);
    let ask = r#"{"purpose":"label-sync","ttl":3600}"#;
    assert_eq!(broker.lease(ask).status, 201, "an hour, as far as is known");
    assert_eq!(checked(&broker, NAMES[0])["verdict"], "ok");
    let lease = broker.lease(ask).json();
    let end: jiff::Timestamp = lease["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(end <= soon, "{lease}");
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let shown = broker.http("GET", &path, "").json();
    assert_eq!(shown["deadline"], shown["check"]["expires_at"]);
    // Also after a restart.
    let broker = broker.restarted();
    let shown = broker.http("GET", &path, "").json();
    assert_eq!(shown["deadline"], shown["check"]["expires_at"]);
}

fn fine_world(token: &str, repositories: &[&str], permissions: &[(&str, Level)]) -> World {
    let repositories = Repositories::selected(repositories);
    World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/one")
        .repository("acme/two")
        .repository("acme/three")
        .public_repository("acme/open")
        .pat(Pat::fine_grained(
            token,
            "acme-bot",
            "acme",
            repositories,
            permissions,
        ))
}

#[test]
fn a_fine_grained_token_is_probed_repository_by_repository_one_outside_included() {
    let (token, other) = (fine_grained_token(), fine_grained_token());
    let permissions = [
        ("contents", Level::Read),
        ("issues", Level::Write),
        ("metadata", Level::Read),
    ];
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/two"], &permissions));
    let others = Repositories::selected(&["acme/three"]);
    github.change(|state| {
        let metadata = [("metadata", Level::Read)];
        let pat = Pat::fine_grained(&other, "acme-bot", "acme", others, &metadata);
        state.add(World::new().pat(pat));
    });
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    set(&broker, "other-pat", &other);

    // No check has seen yet that acme/three is there: that it is not reached proves nothing.
    let check = checked(&broker, "source-pat");
    assert_eq!(faults(&check), [""; 0], "{check}");
    assert_eq!(verdict(&check, "outside"), "not_proven", "{check}");
    let check = checked(&broker, "other-pat");
    assert_eq!(faults(&check), [""; 0], "{check}");
    let text = check["findings"].to_string();
    assert!(text.contains("`acme/open` is public"), "{text}");

    let check = checked(&broker, "source-pat");
    assert_eq!(verdict(&check, "outside"), "ok", "{check}");
    let text = check["findings"].to_string();
    for part in [
        "`acme/one` is private and reached",
        "`acme/two` is private and reached",
        "`contents: read` is proven",
        "`issues: write` is declared, not proven: that it may read is",
        "`metadata: read` is proven",
        "`members: read` is declared, not proven: no read is known",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_fine_grained_token_that_reaches_less_or_more_than_declared_is_found() {
    let token = fine_grained_token();
    let metadata = [("metadata", Level::Read)];
    let github = StandIn::start(fine_world(&token, &["acme/one", "acme/three"], &metadata));
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    let check = checked(&broker, "source-pat");
    let mut found = faults(&check);
    found.sort_unstable();
    let want = [
        "missing_permission",
        "missing_permission",
        "reaches_outside",
        "unreachable_repository",
    ];
    assert_eq!(found, want, "{check}");
}

#[test]
fn a_token_that_waits_for_approval_is_suspected_to() {
    let token = fine_grained_token();
    let github = StandIn::start(fine_world(&token, &[], &[("metadata", Level::Read)]));
    let broker = started(&github, FINE);
    set(&broker, "source-pat", &token);
    let check = checked(&broker, "source-pat");
    assert!(faults(&check).contains(&"pending_approval"), "{check}");
}

#[test]
fn an_app_is_checked_for_its_id_what_it_may_and_where_it_is_installed() {
    let key = AppKey::generate();
    let permissions = [("contents", Level::Read), ("members", Level::Read)];
    let app = App::new("Iv23liABCDEF", "acme", &key, &permissions)
        .installed("acme", Repositories::selected(&["acme/two"]));
    let world = World::new()
        .organization("acme", &["alice"])
        .organization("other", &["alice"])
        .repository("acme/one")
        .repository("acme/two")
        .app(app);
    let github = StandIn::start(world);
    let home = home(APP);
    home.policy("import.toml", IMPORT);
    let elsewhere = IMPORT.replace("\"import\"", "\"elsewhere\"");
    home.policy("elsewhere.toml", &elsewhere.replace("acme/one", "other/*"));
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = InProcess::start(home);
    set(&broker, "import-app", key.pem());
    let check = checked(&broker, "import-app");
    let mut found = faults(&check);
    found.sort_unstable();
    let want = [
        "excess_permission",      // members, which no purpose wants
        "missing_permission",     // issues, of the App
        "missing_permission",     // and of its installation
        "not_installed",          // on other
        "unreachable_repository", // acme/one is not among those chosen
    ];
    assert_eq!(found, want, "{check}");
    assert_eq!(verdict(&check, "app"), "ok");
    assert_eq!(check["login"], "Iv23liABCDEF");

    // Another key speaks for no App.
    set(&broker, "import-app", AppKey::generate().pem());
    assert_eq!(faults(&checked(&broker, "import-app")), ["revoked"]);
    // What is no key is not stored over one; where it is stored already, a check reports it.
    let no_key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
    for no_key in [no_key, "0123456789abcdef0123456789abcdef01234567\n"] {
        let body = json!({ "value": no_key.trim() }).to_string();
        let refused = broker.http("PUT", "/v1/secrets/import-app", &body);
        assert_eq!(refused.status, 400, "{refused:?}");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("declares app"), "{detail}");
    }
    assert_eq!(faults(&checked(&broker, "import-app")), ["revoked"]);
    set(&broker, "later-app", no_key);
    broker
        .home
        .policy("later.toml", &APP.replace("import-app", "later-app"));
    broker.reload();
    assert_eq!(faults(&checked(&broker, "later-app")), ["wrong_kind"]);
}

#[test]
fn secrets_are_checked_by_themselves_and_not_again_after_a_restart() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let home = home(SYSTEM);
    home.github(&github, "poll_every = \"off\"");
    let broker = InProcess::start(home);
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let body = json!({"value": token, "check": false}).to_string();
    assert_eq!(broker.http("PUT", &path, &body).status, 200);
    // What was stored after a plan was made is seen by the next; a start makes one at once.
    let broker = broker.restarted();
    github.wait_for_calls("GET /user", 1);
    wait::until(|| broker.http("GET", &path, "").json()["check"]["verdict"] == "ok");
    let broker = broker.restarted();
    broker.round();
    let checked = broker.home.records_of("secret.checked");
    assert_eq!(checked.len(), 1);
    assert_eq!(
        checked[0].get("by"),
        None,
        "no one asked for it: {checked:?}"
    );
    assert_eq!(github.calls("GET /user"), 1);
}
