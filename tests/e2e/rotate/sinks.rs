//! A sink that was being written to when the broker was killed. What else is written to sinks is tested in
//! process, in `broker/src/tests/rotations/sinks.rs`.

use support::github::{Effect, Fault};
use support::scenes::rotation::named_in;
use support::wait;

use super::*;

const PUT: &str = "PUT /repos/acme/site/actions/secrets/*";

fn written_with_an_app() -> Scene {
    let (world, sinks, key) = rotation::with_an_app();
    let scene = Scene::with(world, &sinks);
    let set = ["secret", "set", rotation::SINK_APP];
    scene.broker.home.ctl_with(&set, key.pem()).success();
    scene
}

#[test]
fn a_broker_killed_while_an_apps_token_writes_a_sink_ends_that_token_when_it_comes_back() {
    let scene = written_with_an_app();
    scene.github.fault(Fault::on(PUT).effect(Effect::Hang));
    let mut tokenctl = scene.rotating(&["--yes"]);
    scene.github.wait_for_calls(PUT, 1);
    assert_eq!(scene.github.live_tokens(), 1);
    let Scene { github, broker } = scene;
    let home = broker.kill();
    tokenctl.wait().unwrap();
    github.heal();
    let broker = home.start();
    let scene = Scene { github, broker };
    wait::until(|| scene.github.live_tokens() == 0);
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("the broker was killed with an App's token in hand");
    let named = |kind| named_in(&scene.broker.home, kind);
    wait::until(|| named("token.revoked").len() == 2);
    assert_eq!(scene.github.live_tokens(), 0);
    assert_eq!(named("token.revoked"), named("token.minted"));
}
