//! Where else a value goes.

use support::github::{Fault, Stored};

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
    let ran = scene.rotate(&["--yes"]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    assert!(
        ran.stderr
            .contains("actions secret SYNC_TOKEN of acme/docs"),
        "{ran:?}"
    );
    assert_eq!(scene.in_the_sink().as_deref(), Some(NEW));
    assert!(!scene.is_dead(OLD), "a place still holds it");
    let shown = scene.broker.home.ctl(&["secret", "sinks", NAME]).success();
    assert!(
        shown.contains("failed") && shown.contains("current"),
        "{shown}"
    );

    scene.github.heal();
    scene
        .broker
        .home
        .ctl(&["secret", "sinks", NAME, "--push"])
        .success();
    let docs = Place::repository("actions", "acme/docs");
    assert_eq!(in_place(&scene.github, &docs).as_deref(), Some(NEW));
    scene.rotate(&["--yes"]).success();
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
    scene.rotate(&["--yes"]).success();
    scene.github.change(|state| {
        let docs = state.repository_id("acme/docs");
        let stored = state.secrets.of(&organization, "SYNC_TOKEN").unwrap();
        assert_eq!(stored.value, NEW.as_bytes());
        assert_eq!(stored.visibility.as_deref(), Some("selected"));
        assert_eq!(stored.selected, [docs].into());
        // One that was not there before is shown to nobody.
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

/// The sink of the site, written with the secret `name`, declared so and of this value.
fn written_with(world: World, name: &str, declared: &str, value: &str) -> Scene {
    let sinks = format!("\n[secret.{name}]\n{declared}\n{SINK}with = \"{name}\"\n");
    let scene = Scene::with(world, &sinks);
    let set = ["secret", "set", name];
    scene.broker.home.ctl_with(&set, value).success();
    scene
}

#[test]
fn a_sink_is_written_with_another_secrets_token_where_that_is_declared() {
    let writer = "ghp_WRITERcanaryWRITERcanaryWRITERcan0006";
    let world = world().classic(writer, "acme-bot", &["repo"]);
    let declared = "kind = \"classic\"\nowner = \"acme-bot\"";
    let scene = written_with(world, "sink-writer", declared, writer);
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("with another token");
    let hashed = support::github::hashed(writer);
    let journal = scene.github.journal();
    assert!(scene.github.calls(PUT) == 1);
    let puts = journal.iter().filter(|call| call.method == "PUT");
    assert!(
        puts.clone()
            .all(|call| call.hashed_token.as_deref() == Some(&hashed))
    );
}

fn written_with_an_app() -> Scene {
    use support::github::{App, AppKey, Level, Repositories};
    let key = AppKey::generate();
    let app = App::new("Iv23liCANARY", "acme", &key, &[("secrets", Level::Write)]);
    let world = world().app(app.installed("acme", Repositories::All));
    let declared = "kind = \"app\"\nclient_id = \"Iv23liCANARY\"";
    written_with(world, "acme-app", declared, key.pem())
}

#[test]
fn an_app_writes_a_sink_with_a_token_for_that_place_alone_which_is_ended_after_it() {
    let scene = written_with_an_app();
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("with an App");
    assert_eq!(scene.github.calls("DELETE /installation/token"), 1);
    let left = scene
        .github
        .change(|state| state.live_installation_tokens());
    assert_eq!(left, 0);
}

#[test]
fn a_date_that_does_not_move_is_no_success() {
    let scene = Scene::new();
    scene
        .broker
        .home
        .ctl(&["secret", "sinks", NAME, "--push"])
        .success();
    let get = "GET /repos/acme/site/actions/secrets/SYNC_TOKEN";
    let stuck = serde_json::json!({ "updated_at": "2020-01-01T00:00:00Z" });
    scene.github.fault(Fault::on(get).patch_body(stuck));
    let ran = scene.rotate(&["--yes"]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    assert!(ran.stderr.contains("last updated 2020-01-01"), "{ran:?}");
    assert!(!scene.is_dead(OLD));
    scene.github.heal();
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("once the date moves");
}
