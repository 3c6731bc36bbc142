//! Changes of one secret at the same time: while one is slow the others wait, then see what it left.

use support::connect::StandInConnect;
use support::github::{Effect, Fault};
use support::wait;
use tokio::task::JoinHandle;

use super::connect::{TO, there, with_connect};
use super::*;

/// Another value than the one that moves.
const NEXT: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0099";

/// A move from the vault whose write to 1Password is held until the stand-in is healed.
fn a_move_that_writes() -> (StandInConnect, Scene, JoinHandle<Answer>) {
    let (connect, scene) = with_connect();
    scene.to("vault").the_end();
    scene.finish().the_end();
    let write = "POST /v1/vaults/*/items";
    connect.fault(Fault::on(write).effect(Effect::Hold));
    let path = format!("/v1/secrets/{NAME}/move");
    let moved = scene
        .broker
        .begin("POST", &path, &json!({ "to": TO }).to_string());
    wait::until(|| connect.calls(write) == 1);
    (connect, scene, moved)
}

impl Scene {
    fn begin_set(&self) -> JoinHandle<Answer> {
        let body = json!({ "value": NEXT, "check": false }).to_string();
        let path = format!("/v1/secrets/{NAME}");
        self.broker.begin("PUT", &path, &body)
    }

    /// What was begun before it has been taken up.
    fn round_trip(&self) {
        let begun = self.broker.begin("GET", "/v1/status", "");
        assert_eq!(self.broker.finished(begun).status, 200);
    }

    #[track_caller]
    fn refused(&self, begun: JoinHandle<Answer>) {
        let answer = self.broker.finished(begun);
        assert_eq!(answer.status, 409, "{answer:?}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains("a move of"), "{detail}");
    }
}

#[test]
fn a_value_set_or_rotated_while_a_move_writes_to_1password_is_not_left_behind() {
    let (connect, scene, moved) = a_move_that_writes();
    let set = scene.begin_set();
    let path = format!("/v1/rotations/{NAME}");
    let body = json!({ "value": NEXT }).to_string();
    let rotated = scene.broker.begin("POST", &path, &body);
    scene.round_trip();
    connect.heal();

    let moved = scene.broker.finished(moved).json();
    assert_eq!(moved["phase"], "copied", "{moved}");
    scene.refused(set);
    scene.refused(rotated);
    let set = scene.broker.home.records_of("secret.set");
    let set = set.iter().filter(|record| record["secret"] == NAME);
    assert_eq!(set.count(), 1, "by the move into the vault");
    let begun = scene.broker.home.records_of("rotation.begun");
    assert!(begun.is_empty());
    scene.to(TO).the_end();
    scene.assert_serves(NAME, VALUE);

    // The way back leads to the same value, and from there on another one may come.
    scene.back().the_end();
    scene.assert_serves(NAME, VALUE);
    assert_eq!(scene.set(NEXT).status, 200);
    scene.assert_serves(NAME, NEXT);
}

#[test]
fn a_value_set_during_a_write_to_1password_that_fails_is_the_one_in_use() {
    let (connect, scene, moved) = a_move_that_writes();
    let set = scene.begin_set();
    scene.round_trip();
    // Only now is it seen that the token may not write.
    connect.change(|state| {
        let tokens = state.world.tokens.values_mut();
        tokens.for_each(|access| access.writes = false);
    });
    connect.heal();

    assert_eq!(scene.broker.finished(moved).status, 502);
    assert_eq!(scene.broker.finished(set).status, 200);
    assert_eq!(there(&connect), None);
    scene.assert_serves(NAME, NEXT);
}

#[test]
fn a_move_whose_caller_hung_up_during_a_write_still_keeps_other_changes_out() {
    let (connect, scene, moved) = a_move_that_writes();
    moved.abort();
    let set = scene.begin_set();
    scene.round_trip();
    connect.heal();

    scene.refused(set);
    assert_eq!(there(&connect).as_deref(), Some(VALUE));
    scene.assert_serves(NAME, VALUE);
}
