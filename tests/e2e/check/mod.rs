//! What secrets are worth at GitHub: asked over real TLS, of the stand-in.

use serde_json::{Value, json};
use support::github::{
    App, AppKey, ExpiryHeader, Level, Pat, Repositories, StandIn, World, classic_token,
    fine_grained_token,
};
use support::{Home, TestBroker};

use crate::described::ask;

mod unanswered;

/// What the first system's four tokens are meant to be.
const SYSTEM: &str = r#"
[secret.org-label-sync-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow"]

[secret.org-project-admin-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["project", "read:org"]

[secret.org-onboarding-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow", "admin:org"]

[secret.org-repo-analysis-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo:status", "read:org"]
"#;

const NAMES: [&str; 4] = [
    "org-label-sync-token",
    "org-onboarding-token",
    "org-project-admin-token",
    "org-repo-analysis-token",
];

fn home(policies: &str) -> Home {
    let home = Home::new();
    home.ctl(&["init", "--root-key", "file"]).success();
    home.policy("secrets.toml", policies);
    home
}

/// A broker that asks this stand-in only when it is told to.
fn started(github: &StandIn, policies: &str) -> TestBroker {
    let home = home(policies);
    home.github(github, "check_every = \"off\"\npoll_every = \"off\"");
    home.start()
}

fn set(broker: &TestBroker, name: &str, value: &str) {
    let ran = broker.home.ctl_with(&["secret", "set", name], value);
    ran.success();
}

/// Checks one secret, and holds the answer to the API's description.
fn checked(broker: &TestBroker, name: &str) -> Value {
    let path = format!("/v1/secrets/{name}/check");
    let (status, body) = ask(broker, "POST", "/v1/secrets/{name}/check", &path, "");
    assert_eq!(status, 200, "{body}");
    body["check"].clone()
}

/// The words of what is not as it should be.
fn faults(check: &Value) -> Vec<&str> {
    let findings = check["findings"].as_array().unwrap().iter();
    let faults =
        findings.filter(|f| ["warning", "error"].contains(&f["verdict"].as_str().unwrap()));
    faults
        .map(|finding| finding["word"].as_str().unwrap())
        .collect()
}

fn verdict<'a>(check: &'a Value, word: &str) -> &'a str {
    let mut findings = check["findings"].as_array().unwrap().iter();
    let finding = findings.find(|finding| finding["word"] == word);
    finding.map_or("", |finding| finding["verdict"].as_str().unwrap())
}

/// The part of a printed check that is about one secret.
fn about<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name}: ")).expect(name);
    rest.split("\n\n").next().unwrap()
}

#[test]
fn the_first_systems_file_is_imported_and_every_fault_in_it_is_found() {
    let (label_sync, admin, onboarding) = (classic_token(), classic_token(), classic_token());
    let (analysis, ended) = (classic_token(), classic_token());
    let long_ago = "2026-11-01T00:00:00Z".parse().unwrap();
    let github = StandIn::start(
        World::new()
            .organization("acme", &["acme-bot", "mallory"])
            .classic(&label_sync, "mallory", &["repo", "workflow"])
            .classic(&admin, "acme-bot", &["project"])
            .classic(
                &onboarding,
                "Acme-Bot",
                &["repo", "workflow", "admin:org", "gist"],
            )
            .classic(&analysis, "acme-bot", &["repo:status", "read:org"])
            .pat(
                Pat::classic(&ended, "acme-bot", &["repo:status", "read:org"])
                    .expires(long_ago, ExpiryHeader::Utc),
            ),
    );
    let home = home(SYSTEM);
    home.github(&github, "poll_every = \"off\"");
    let file = home.path().join("github-tokens");
    let text = format!(
        "export ORG_LABEL_SYNC_TOKEN=\"{label_sync}\"\nexport ORG_PROJECT_ADMIN_TOKEN=\"{admin}\"\n\
         export ORG_ONBOARDING_TOKEN=\"{onboarding}\"\nexport ORG_REPO_ANALYSIS_TOKEN=\"{analysis}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let broker = home.start();
    let home = &broker.home;

    // Each value is checked as it is stored, and what is wrong with it is told at once.
    let imported = home.ctl(&["import", file.to_str().unwrap()]);
    assert_eq!(imported.code(), Some(0), "{imported:?}");
    assert!(
        imported
            .stderr
            .contains("wrong_owner: it belongs to `mallory`"),
        "{imported:?}"
    );
    assert!(
        imported.stderr.contains("missing_scope: scope `read:org`"),
        "{imported:?}"
    );
    assert_eq!(github.calls("GET /user"), 4);

    let ran = home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    let text = &ran.stdout;
    assert!(about(text, NAMES[0]).contains("wrong_owner"), "{text}");
    assert!(
        about(text, NAMES[1]).contains("excess_scope            it carries `gist`"),
        "{text}"
    );
    assert!(about(text, NAMES[2]).contains("missing_scope"), "{text}");
    assert!(about(text, NAMES[3]).starts_with("ok"), "{text}");
    assert!(
        text.ends_with("4 checked: 1 ok, 1 with warnings, 2 with errors\n"),
        "{text}"
    );
    // A fault of one does not hide behind another's name.
    assert!(!about(text, NAMES[1]).contains("missing_scope"), "{text}");

    // One that worked is revoked, and one is stored whose end an operator wrote down.
    github.change(|state| state.revoke(&analysis));
    let check = checked(&broker, NAMES[3]);
    assert_eq!(faults(&check), ["revoked"]);
    assert_eq!(check["login"], "acme-bot", "what was known stays known");
    let args = ["secret", "set", NAMES[3], "--expires", "2026-11-01"];
    let set_ended = home.ctl_with(&args, &ended);
    assert_eq!(set_ended.code(), Some(0), "{set_ended:?}");
    assert!(set_ended.stderr.contains("expired: "), "{set_ended:?}");
    let ran = home.ctl(&["secret", "check", NAMES[3]]);
    assert_eq!(ran.code(), Some(1));
    assert!(ran.stdout.contains("expired"), "{ran:?}");

    // Faults are seen by whoever looks at the whole.
    let status = home.ctl(&["status"]).success();
    assert!(
        status.contains("`org-repo-analysis-token` is refused by GitHub"),
        "{status}"
    );
    let shown = home.ctl(&["secret", "show", NAMES[0]]).success();
    assert!(shown.contains("wrong_owner"), "{shown}");

    // Mended, all is well: a warning is no failure.
    let mended = classic_token();
    github.change(|state| {
        state.add(World::new().classic(&mended, "acme-bot", &["repo", "workflow"]));
        state.add(World::new().classic(&admin, "acme-bot", &["project", "admin:org"]));
        state.add(World::new().classic(&analysis, "acme-bot", &["repo:status", "read:org"]));
    });
    set(&broker, NAMES[0], &mended);
    set(&broker, NAMES[3], &analysis);
    let ran = home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");

    // No value stands in anything that was printed, and each use is on record before its result.
    for token in [&label_sync, &admin, &onboarding, &analysis, &ended, &mended] {
        assert!(!format!("{imported:?}{ran:?}{shown}").contains(token.as_str()));
    }
    let log = home
        .ctl(&["audit", "search", "--kind", "secret", "--json"])
        .success();
    let kinds: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["secret"] == NAMES[0])
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds[..3], ["secret.set", "secret.used", "secret.checked"]);
}

#[test]
fn the_end_that_github_names_bounds_leases_and_sets_the_deadline() {
    let token = classic_token();
    let github = StandIn::start(World::new().user("acme-bot"));
    let soon = github.change(|state| state.clock.now()) + jiff::SignedDuration::from_mins(30);
    let pat = Pat::classic(&token, "acme-bot", &["repo", "workflow"]);
    github.change(|state| state.add(World::new().pat(pat.expires(soon, ExpiryHeader::Offset))));
    let home = Home::ready();
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let broker = home.start();
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
    let broker = broker.stop().start();
    let shown = broker.http("GET", &path, "").json();
    assert_eq!(shown["deadline"], shown["check"]["expires_at"]);
}

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

    // Nobody has seen yet that acme/three is there: that it is not reached proves nothing.
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
    let broker = home.start();
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

    // Another key speaks for nobody.
    set(&broker, "import-app", AppKey::generate().pem());
    assert_eq!(faults(&checked(&broker, "import-app")), ["revoked"]);
    // What is no key is not stored over one; where it is stored already, a check reports it.
    let no_key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
    for no_key in [no_key, "0123456789abcdef0123456789abcdef01234567\n"] {
        let ran = broker
            .home
            .ctl_with(&["secret", "set", "import-app"], no_key);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        assert!(ran.stderr.contains("declares app"), "{ran:?}");
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
    let broker = home.start();
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let body = json!({"value": token, "check": false}).to_string();
    assert_eq!(broker.http("PUT", &path, &body).status, 200);
    // What was stored after a plan was made is seen by the next; a start makes one at once.
    let broker = broker.stop().start();
    github.wait_for_calls("GET /user", 1);
    support::wait::until(|| broker.http("GET", &path, "").json()["check"]["verdict"] == "ok");
    let broker = broker.stop().start();
    support::wait::until(|| broker.home.trace().matches("ready").count() >= 3);
    let log = broker
        .home
        .ctl(&["audit", "search", "--kind", "secret.checked", "--json"])
        .success();
    let record: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(record.get("by"), None, "nobody asked for it: {record}");
    assert_eq!(log.lines().count(), 1);
    assert_eq!(github.calls("GET /user"), 1);
}

#[test]
fn the_registry_is_a_markdown_table() {
    let broker = Home::ready().start();
    set(&broker, NAMES[0], &classic_token());
    let text = broker
        .home
        .ctl(&["secret", "list", "--format", "md"])
        .success();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("| name | kind | purposes | scopes | owner |"),
        "{text}"
    );
    let start = "| org-label-sync-token | classic | label-sync | repo, workflow | acme-bot |";
    assert!(lines[2].starts_with(start), "{text}");
    assert_eq!(lines.len(), 3);
}
