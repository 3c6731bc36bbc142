//! Killed at any step and run again, a rotation ends in the same good state.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::github::{Effect, Fault};
use support::{TestBroker, kills, wait};

use super::*;

const ANY: &str = "* /**";

/// How many calls a rotation makes at GitHub that nothing interrupts.
fn calls_of_one() -> usize {
    let scene = Scene::new();
    scene.github.forget_calls();
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("undisturbed");
    scene.github.calls(ANY)
}

fn kill_now(child: &mut Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

/// Strikes the `n`th call at GitHub, kills the broker there, starts it again, and runs it again.
fn broker_killed_at(n: usize, effect: Effect, what: &str) {
    let how = format!("the broker was killed, call {n} {what}");
    let scene = Scene::new();
    scene.github.forget_calls();
    let fault = Fault::on(ANY).effect(effect);
    scene
        .github
        .fault(fault.after(u32::try_from(n).unwrap()).times(1));
    let mut tokenctl = scene.rotating(&["--yes"]);
    scene.github.wait_for_calls(ANY, n + 1);
    let Scene { github, broker } = scene;
    let home = broker.kill();
    tokenctl.wait().unwrap();
    github.heal();
    let broker = TestBroker::start(home, |_| {});
    let scene = Scene { github, broker };
    let again = scene.rotate(&["--yes"]);
    assert!(again.status.success(), "{how}: {again:?}");
    scene.assert_rotated(&how);
}

#[test]
fn the_broker_killed_before_each_call_at_github_or_before_its_answer_ends_well() {
    let places = kills::of(calls_of_one()).flat_map(|n| {
        [
            (n, Effect::Hang, "did not happen"),
            (n, Effect::HangAfter, "happened"),
        ]
    });
    kills::side_by_side(places, |(n, effect, what)| {
        broker_killed_at(n, effect, what);
    });
}

#[test]
fn the_broker_killed_when_each_record_appears_ends_well() {
    let kinds = [
        "rotation.begun",
        "rotation.swapped",
        "rotation.confirmed",
        "sink.pushed",
        "rotation.verified",
        "rotation.revoking",
        "rotation.revoked",
        "rotation.finished",
    ];
    kills::side_by_side(kinds, |kind| {
        let scene = Scene::new();
        let mut tokenctl = scene.rotating(&["--yes"]);
        wait::until(|| !scene.broker.home.records_of(kind).is_empty());
        let Scene { github, broker } = scene;
        let home = broker.kill();
        tokenctl.wait().unwrap();
        let broker = TestBroker::start(home, |_| {});
        let scene = Scene { github, broker };
        let how = format!("the broker was killed at {kind}");
        let again = scene.rotate(&["--yes"]);
        assert!(again.status.success(), "{how}: {again:?}");
        scene.assert_rotated(&how);
    });
}

#[test]
fn tokenctl_killed_during_each_call_at_github_ends_well() {
    kills::side_by_side(kills::of(calls_of_one()), |n| {
        let scene = Scene::new();
        scene.github.forget_calls();
        let fault = Fault::on(ANY).hold().after(u32::try_from(n).unwrap());
        scene.github.fault(fault.times(1));
        let mut tokenctl = scene.rotating(&["--yes"]);
        scene.github.wait_for_calls(ANY, n + 1);
        kill_now(&mut tokenctl);
        scene.github.heal();
        let again = scene.rotate(&["--yes"]);
        assert!(again.status.success(), "call {n}: {again:?}");
        scene.assert_rotated(&format!("tokenctl was killed, call {n}"));
    });
}
