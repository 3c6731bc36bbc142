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

#[test]
fn a_rotation_that_someone_wrote_into_the_vault_ends_no_value_and_none_of_before_goes_on() {
    let third = "ghp_THIRDcanaryTHIRDcanaryTHIRDcanary0003";
    let scopes = ["repo", "workflow"];
    let scene = Scene::with(world().classic(third, "acme-bot", &scopes), SINK);
    scene.rotate(&["--revoke-after", "5m"]).success();
    let Scene { github, broker } = scene;
    let home = broker.stop();
    // At once and not in five minutes, and of the value in use.
    let vault = rusqlite::Connection::open(&home.places.vault).unwrap();
    vault
        .execute_batch(
            "UPDATE rotation SET state = json_set(state, '$.phase', 'revoking', '$.revoke_at',
               json_extract(state, '$.next_at'), '$.old', json_extract(state, '$.new'))",
        )
        .unwrap();
    drop(vault);
    let scene = Scene {
        github,
        broker: home.start(),
    };
    let mismatches = || scene.broker.home.records_of("vault.mismatch");
    wait::until(|| !mismatches().is_empty());
    assert_eq!(mismatches()[0]["rotations"], serde_json::json!([NAME]));
    let trace = scene.broker.home.trace();
    assert!(trace.contains("may still work at GitHub"), "{trace}");
    assert_eq!(scene.handed_out(), NEW);
    let status = scene
        .broker
        .http("GET", &format!("/v1/rotations/{NAME}"), "");
    assert_eq!(status.json()["phase"], "none");
    // And the operator goes on, from the value in use.
    let file = scene.file(third);
    let line = [
        "rotate",
        NAME,
        "--value-file",
        file.to_str().unwrap(),
        "--yes",
    ];
    scene.broker.home.ctl(&line).success();
    assert_eq!(scene.handed_out(), third);
    assert!(scene.is_dead(NEW), "ended in its turn");
    assert!(!scene.is_dead(OLD), "not ended by what someone wrote");
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
fn the_broker_killed_before_each_call_at_github_ends_well() {
    for n in kills::of(calls_of_one()) {
        broker_killed_at(n, Effect::Hang, "did not happen");
    }
}

#[test]
fn the_broker_killed_between_each_effect_and_its_record_ends_well() {
    for n in kills::of(calls_of_one()) {
        broker_killed_at(n, Effect::HangAfter, "happened");
    }
}

#[test]
fn the_broker_killed_when_each_record_appears_ends_well() {
    for kind in [
        "rotation.begun",
        "rotation.swapped",
        "rotation.confirmed",
        "sink.pushed",
        "rotation.verified",
        "rotation.revoking",
        "rotation.revoked",
        "rotation.finished",
    ] {
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
    }
}

#[test]
fn tokenctl_killed_during_each_call_at_github_ends_well() {
    for n in kills::of(calls_of_one()) {
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
    }
}
