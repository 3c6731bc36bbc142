//! The files that the configuration names: in a backup, in place after a restore, and told when missing.

use std::fs;

use support::github::{StandIn, World, classic_token};

use super::*;

/// A home whose configuration names the stand-in, and the file of its authorities at `ca`.
fn home(github: &StandIn, ca: &Path) -> Home {
    let home = Home::ready();
    home.config(&format!(
        "[github]\napi = \"{}\"\nca = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
        github.api(),
        ca.display()
    ));
    home
}

const SET: [&str; 3] = ["secret", "set", "org-label-sync-token"];

/// Whether GitHub was reached and knows the token.
fn checks(broker: &TestBroker) {
    let path = "/v1/secrets/org-label-sync-token/check";
    let answer = broker.http("POST", path, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["check"]["login"], "acme-bot", "{answer:?}");
}

#[test]
fn a_restored_broker_reaches_github_with_authorities_that_were_named_elsewhere() {
    let token = classic_token();
    let world = World::new().user("acme-bot");
    let github = StandIn::start(world.classic(&token, "acme-bot", &["repo", "workflow"]));
    let elsewhere = tempfile::tempdir().unwrap();
    let ca = elsewhere.path().join("ca.pem");
    fs::copy(github.ca(), &ca).unwrap();
    let broker = home(&github, &ca).start();
    broker.home.ctl_with(&SET, &token).success();
    checks(&broker);
    back_up(&broker.home).success();
    let file = backup_of(&broker.home);
    let home = broker.stop();
    let seen = verify(&home, &file).success();
    assert!(seen.contains("github"), "{seen}");

    // The machine that had it is gone, and so is its directory.
    fs::remove_file(&ca).unwrap();
    let elsewhere = Home::new();
    let told = restore(&elsewhere, &file).success();
    assert!(told.contains("restored-github-ca.pem"), "{told}");
    let broker = elsewhere.start();
    checks(&broker);
    assert!(!ca.exists());
}

#[test]
fn a_named_file_that_is_missing_stops_no_lease_and_is_told_everywhere() {
    let github = StandIn::start(World::new());
    let broker = home(&github, Path::new("missing.pem")).start();
    broker.home.ctl_with(&SET, canary::CLASSIC).success();
    assert_eq!(broker.lease(ASK).status, 201);
    let line = format!("{}:3: `[github] ca`", broker.home.places.config.display());
    let trace = broker.home.trace();
    let status = broker.home.ctl(&["status"]).success();
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    for text in [&trace, &status, &doctor] {
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("missing.pem"), "{text}");
        assert!(text.contains("put the file there"), "{text}");
    }
    // Put there, it is told no more.
    fs::copy(github.ca(), broker.home.path().join("missing.pem")).unwrap();
    let status = broker.home.ctl(&["status"]).success();
    assert!(!status.contains(&line), "{status}");
    // A backup is to be had all the same.
    back_up(&broker.home).success();
}
