//! Where else a value goes. A broker that dies while it writes there is killed in `tests/e2e/rotate/sinks.rs`.

use support::github::{Fault, Stored};
use support::scenes::rotation::{named_in, sink_with};
use support::wait;

use super::*;

const TWO: &str = r#"
[[secret.org-label-sync-token.sinks]]
kind       = "actions"
repository = "acme/docs"
name       = "SYNC_TOKEN"

[[secret.org-label-sync-token.sinks]]
kind       = "actions"
repository = "acme/site"
name       = "SYNC_TOKEN"
"#;

const PUT: &str = "PUT /repos/acme/site/actions/secrets/*";

#[test]
fn one_failed_sink_does_not_lose_the_others_and_nothing_is_ended_until_it_is_written() {
    let scene = Scene::with(world(), TWO);
    let docs = "PUT /repos/acme/docs/actions/secrets/*";
    scene
        .github
        .fault(Fault::on(docs).refuse(403, "Resource not accessible by personal access token"));
    let why = scene.rotate(Then::Revoke).a_failure();
    assert!(
        why.contains("actions secret SYNC_TOKEN of acme/docs"),
        "{why}"
    );
    assert_eq!(scene.in_the_sink().as_deref(), Some(NEW));
    assert!(!scene.is_dead(OLD), "a place still holds it");
    let path = format!("/v1/secrets/{NAME}/sinks");
    let shown = scene.broker.http("GET", &path, "").json();
    let state = |sink: usize| &shown["sinks"][sink]["state"];
    assert_eq!((state(0), state(1)), (&"failed".into(), &"current".into()));

    scene.github.heal();
    assert_eq!(scene.push().status, 200);
    let docs = Place::repository("actions", "acme/docs");
    assert_eq!(in_place(&scene.github, &docs).as_deref(), Some(NEW));
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("with two sinks");
}

#[test]
fn who_may_see_an_organisations_secret_stays_as_it_was() {
    let sinks = r#"
[[secret.org-label-sync-token.sinks]]
kind         = "actions"
organization = "acme"
name         = "SYNC_TOKEN"

[[secret.org-label-sync-token.sinks]]
kind         = "dependabot"
organization = "acme"
name         = "SYNC_TOKEN"

[[secret.org-label-sync-token.sinks]]
kind         = "codespaces"
repository   = "acme/site"
name         = "SYNC_TOKEN"

[[secret.org-label-sync-token.sinks]]
kind         = "actions"
repository   = "acme/site"
environment  = "prod/eu"
name         = "SYNC_TOKEN"
"#;
    let scopes = &["repo", "workflow", "admin:org", "codespace"];
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository_with("acme/site", |site| {
            site.environments.insert("prod/eu".to_owned());
        })
        .repository("acme/docs")
        .classic(OLD, "acme-bot", scopes)
        .classic(NEW, "acme-bot", scopes);
    let scene = Scene::with(world, sinks);
    let organization = Place::organization("actions", "acme");
    scene.github.change(|state| {
        let (docs, now) = (state.repository_id("acme/docs"), state.clock.now());
        let stored = Stored {
            value: OLD.into(),
            sealed: Vec::new(),
            created: now,
            updated: now,
            visibility: Some("selected".to_owned()),
            selected: [docs].into(),
        };
        state.secrets.put(&organization, "SYNC_TOKEN", stored);
    });
    scene.rotate(Then::Revoke).the_end();
    scene.github.change(|state| {
        let docs = state.repository_id("acme/docs");
        let stored = state.secrets.of(&organization, "SYNC_TOKEN").unwrap();
        assert_eq!(stored.value, NEW.as_bytes());
        assert_eq!(stored.visibility.as_deref(), Some("selected"));
        assert_eq!(stored.selected, [docs].into());
        // One that was not there before is shown to no repository.
        let fresh = Place::organization("dependabot", "acme");
        let fresh = state.secrets.of(&fresh, "SYNC_TOKEN").unwrap();
        assert_eq!(fresh.visibility.as_deref(), Some("selected"));
        assert!(fresh.selected.is_empty());
        for place in [
            Place::repository("codespaces", "acme/site"),
            Place::environment("acme/site", "prod/eu"),
        ] {
            let stored = state.secrets.of(&place, "SYNC_TOKEN").unwrap();
            assert_eq!(stored.value, NEW.as_bytes());
        }
    });
}

#[test]
fn a_sink_is_written_with_another_secrets_token_where_that_is_declared() {
    let writer = "ghp_WRITERcanaryWRITERcanaryWRITERcan0006";
    let world = world().classic(writer, "acme-bot", &["repo"]);
    let declared = "kind = \"classic\"\nowner = \"acme-bot\"";
    let scene = Scene::with(world, &sink_with("sink-writer", declared));
    scene.broker.set("sink-writer", writer);
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("with another token");
    let hashed = support::github::hashed(writer);
    let journal = scene.github.journal();
    assert_eq!(scene.github.calls(PUT), 1);
    let puts = journal.iter().filter(|call| call.method == "PUT");
    assert!(
        puts.clone()
            .all(|call| call.hashed_token.as_deref() == Some(&hashed))
    );
}

fn written_with_an_app() -> Scene {
    let (world, sinks, key) = rotation::with_an_app();
    let scene = Scene::with(world, &sinks);
    scene.broker.set(rotation::SINK_APP, key.pem());
    scene
}

#[test]
fn an_app_writes_a_sink_with_a_token_for_that_place_alone_which_is_ended_after_it() {
    let scene = written_with_an_app();
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("with an App");
    wait::until(|| !named_in(&scene.broker.home, "token.revoked").is_empty());
    assert_eq!(scene.github.live_tokens(), 0);
    assert_eq!(scene.github.calls("DELETE /installation/token"), 1);
    let minted = scene.broker.home.records_of("token.minted");
    assert_eq!(minted.len(), 1);
    assert_eq!(minted[0]["what_for"], "sink");
    assert_eq!(minted[0]["secret"], "acme-app");
    let installation = scene
        .github
        .change(|state| state.installation_on("acme").id);
    assert_eq!(minted[0]["installation"], installation);
    let journal = scene.github.journal();
    let put = journal.iter().find(|call| call.method == "PUT").unwrap();
    assert_eq!(
        minted[0]["hashed_credential"],
        put.hashed_token.as_deref().unwrap()
    );
    assert_eq!(
        named_in(&scene.broker.home, "token.revoked"),
        named_in(&scene.broker.home, "token.minted")
    );
}

#[test]
fn the_end_of_an_apps_token_that_wrote_a_sink_is_tried_until_it_takes() {
    let scene = written_with_an_app();
    let end = Fault::on("DELETE /installation/token").refuse(500, "Unicorn!");
    scene.github.fault(end.times(1));
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("an end was refused");
    wait::until(|| scene.github.live_tokens() == 0);
}

#[test]
fn a_sink_in_a_repository_that_was_made_again_is_not_written_until_its_name_is_unpinned() {
    let scene = written_with_an_app();
    assert_eq!(scene.push().status, 200);
    scene.github.change(|state| {
        state.delete_repository("acme/site");
        state.add(World::new().repository("acme/site"));
    });
    let why = scene.rotate(Then::Ask).a_failure();
    let hint = "tokenctl repository unpin acme/site";
    assert!(why.contains(hint), "{why}");
    let unpin = "/v1/repositories/acme/site";
    scene.broker.done("DELETE", unpin, "");
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("into the repository that was made again");
}

#[test]
fn a_date_that_does_not_move_is_no_success() {
    let scene = Scene::new();
    assert_eq!(scene.push().status, 200);
    let get = "GET /repos/acme/site/actions/secrets/SYNC_TOKEN";
    let stuck = json!({ "updated_at": "2020-01-01T00:00:00Z" });
    scene.github.fault(Fault::on(get).patch_body(stuck));
    let why = scene.rotate(Then::Revoke).a_failure();
    assert!(why.contains("last updated 2020-01-01"), "{why}");
    assert!(!scene.is_dead(OLD));
    scene.github.heal();
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("once the date moves");
}
