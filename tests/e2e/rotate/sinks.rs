//! A sink that was being written to when the broker was killed. The rest about sinks is tested in process, in
//! `broker/src/tests/rotations/sinks.rs`.

use std::collections::BTreeSet;

use support::github::{Effect, Fault};
use support::wait;

use super::*;

const PUT: &str = "PUT /repos/acme/site/actions/secrets/*";

/// The sink of the site, written with the secret `name`, declared so and of this value.
fn written_with(world: World, name: &str, declared: &str, value: &str) -> Scene {
    let sinks = format!("\n[secret.{name}]\n{declared}\n{SINK}with = \"{name}\"\n");
    let scene = Scene::with(world, &sinks);
    let set = ["secret", "set", name];
    scene.broker.home.ctl_with(&set, value).success();
    scene
}

fn written_with_an_app() -> Scene {
    use support::github::{App, AppKey, Level, Repositories};
    let key = AppKey::generate();
    let app = App::new("Iv23liCANARY", "acme", &key, &[("secrets", Level::Write)]);
    let world = world().app(app.installed("acme", Repositories::All));
    let declared = "kind = \"app\"\nclient_id = \"Iv23liCANARY\"";
    written_with(world, "acme-app", declared, key.pem())
}

fn live_tokens(scene: &Scene) -> usize {
    let github = &scene.github;
    github.change(|state| state.live_installation_tokens())
}

/// Base64 SHA-256 of every installation token that such records name.
fn named_in(scene: &Scene, kind: &str) -> BTreeSet<String> {
    let records = scene.broker.home.records_of(kind);
    let hashes = records.iter().map(|one| one["hashed_credential"].clone());
    hashes
        .map(|hash| hash.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_broker_killed_while_an_apps_token_writes_a_sink_ends_that_token_when_it_comes_back() {
    let scene = written_with_an_app();
    scene.github.fault(Fault::on(PUT).effect(Effect::Hang));
    let mut tokenctl = scene.rotating(&["--yes"]);
    scene.github.wait_for_calls(PUT, 1);
    assert_eq!(live_tokens(&scene), 1);
    let Scene { github, broker } = scene;
    let home = broker.kill();
    tokenctl.wait().unwrap();
    github.heal();
    let broker = home.start();
    let scene = Scene { github, broker };
    wait::until(|| live_tokens(&scene) == 0);
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("the broker was killed with an App's token in hand");
    wait::until(|| named_in(&scene, "token.revoked").len() == 2);
    assert_eq!(live_tokens(&scene), 0);
    assert_eq!(
        named_in(&scene, "token.revoked"),
        named_in(&scene, "token.minted")
    );
}
