//! What GitHub says of secrets, as the command line tells it. What is found is tested in process, in
//! `broker/src/tests/checks`.

mod unanswered;

use serde_json::Value;
use support::github::{ExpiryHeader, Pat, StandIn, World, classic_token};
use support::scenes::checks::{checked, faults};
use support::scenes::four_tokens::{NAMES, SYSTEM};
use support::{Home, TestBroker};

fn home(policies: &str) -> Home {
    let home = Home::new();
    home.ctl(&["init", "--root-key", "file"]).success();
    home.policy("secrets.toml", policies);
    home
}

/// A broker that asks this stand-in only when a test does.
fn started(github: &StandIn, policies: &str) -> TestBroker {
    let home = home(policies);
    home.github(github, "check_every = \"off\"\npoll_every = \"off\"");
    home.start()
}

fn set(broker: &TestBroker, name: &str, value: &str) {
    let ran = broker.home.ctl_with(&["secret", "set", name], value);
    ran.success();
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

    // The status of the whole shows faults too, each once.
    let status = home.ctl(&["status"]).success();
    let warnings = status.lines().filter(|line| line.starts_with("warning: "));
    let about: Vec<&str> = warnings
        .filter(|line| line.contains("org-repo-analysis-token"))
        .collect();
    assert_eq!(about.len(), 1, "{status}");
    assert!(
        about[0].contains("ended at GitHub on 2026-11-01"),
        "{status}"
    );
    let shown = home.ctl(&["secret", "show", NAMES[0]]).success();
    assert!(shown.contains("wrong_owner"), "{shown}");

    // Fixed, all is well: a warning is no failure.
    let fixed = classic_token();
    github.change(|state| {
        state.add(World::new().classic(&fixed, "acme-bot", &["repo", "workflow"]));
        state.add(World::new().classic(&admin, "acme-bot", &["project", "admin:org"]));
        state.add(World::new().classic(&analysis, "acme-bot", &["repo:status", "read:org"]));
    });
    set(&broker, NAMES[0], &fixed);
    set(&broker, NAMES[3], &analysis);
    let ran = home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");

    // No value stands in anything that was printed, and each use is on record before its result.
    for token in [&label_sync, &admin, &onboarding, &analysis, &ended, &fixed] {
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
