//! Changes of one secret at the same time: while one is slow the others wait, then see what it left.

use std::os::unix::net::UnixStream;

use support::connect::StandInConnect;
use support::github::{Effect, Fault};
use support::http::{self, Answer};
use support::wait;

use super::connect::{TO, there, with_connect};
use super::*;
use crate::rotate::{NEW, Scene};

/// Another value than the one that moves.
const OTHER: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0099";

/// Sends a request and does not wait for its answer.
fn begin(broker: &TestBroker, method: &str, path: &str, body: &str) -> UnixStream {
    let mut stream = http::connect(&broker.socket());
    http::send(&mut stream, method, path, body);
    stream
}

fn begin_move(broker: &TestBroker, to: &str) -> UnixStream {
    let path = format!("/v1/secrets/{NAME}/move");
    begin(broker, "POST", &path, &format!(r#"{{"to":"{to}"}}"#))
}

fn begin_set(broker: &TestBroker, value: &str) -> UnixStream {
    let path = format!("/v1/secrets/{NAME}");
    let body = format!(r#"{{"value":"{value}","check":false}}"#);
    begin(broker, "PUT", &path, &body)
}

fn begin_rotation(broker: &TestBroker, value: &str) -> UnixStream {
    let path = format!("/v1/rotations/{NAME}");
    begin(broker, "POST", &path, &format!(r#"{{"value":"{value}"}}"#))
}

fn end(mut stream: UnixStream) -> Answer {
    http::read_answer(&mut stream).expect("an answer")
}

#[track_caller]
fn refused(stream: UnixStream, says: &str) {
    let answer = end(stream);
    assert_eq!(answer.status, 409, "{answer:?}");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains(says), "{detail}");
}

/// A move from the vault whose write to 1Password is held until the stand-in is healed.
fn a_move_that_writes() -> (StandInConnect, TestBroker, UnixStream) {
    let (connect, broker) = with_connect();
    run(&broker, &[NAME, "--to", "vault"]).success();
    run(&broker, &[NAME, "--finish"]).success();
    let write = "POST /v1/vaults/*/items";
    connect.fault(Fault::on(write).effect(Effect::Hold));
    let moved = begin_move(&broker, TO);
    wait::until(|| connect.calls(write) == 1);
    (connect, broker, moved)
}

/// What was sent before it has reached the broker.
fn round_trip(broker: &TestBroker) {
    assert_eq!(broker.http("GET", "/v1/status", "").status, 200);
}

#[test]
fn a_value_set_or_rotated_while_a_move_writes_to_1password_is_not_left_behind() {
    let (connect, broker, moved) = a_move_that_writes();
    let (set, rotated) = (begin_set(&broker, OTHER), begin_rotation(&broker, OTHER));
    round_trip(&broker);
    connect.heal();

    let moved = end(moved).json();
    assert_eq!(moved["phase"], "copied", "{moved}");
    refused(set, "a move of");
    refused(rotated, "a move of");
    let set = broker.home.records_of("secret.set");
    let set = set.iter().filter(|record| record["secret"] == NAME);
    assert_eq!(set.count(), 1, "by the move into the vault");
    assert!(broker.home.records_of("rotation.begun").is_empty());
    run(&broker, &[NAME, "--to", TO]).success();
    assert_serves(&broker, NAME, VALUE);

    // The way back leads to the same value, and from there on another one may come.
    run(&broker, &[NAME, "--back"]).success();
    assert_serves(&broker, NAME, VALUE);
    assert_eq!(end(begin_set(&broker, OTHER)).status, 200);
    assert_serves(&broker, NAME, OTHER);
}

#[test]
fn a_value_set_during_a_write_to_1password_that_fails_is_the_one_in_use() {
    let (connect, broker, moved) = a_move_that_writes();
    let set = begin_set(&broker, OTHER);
    round_trip(&broker);
    // Only now is it seen that the token may not write.
    connect.change(|state| {
        let tokens = state.world.tokens.values_mut();
        tokens.for_each(|access| access.writes = false);
    });
    connect.heal();

    assert_eq!(end(moved).status, 502);
    assert_eq!(end(set).status, 200);
    assert_eq!(there(&connect), None);
    assert_serves(&broker, NAME, OTHER);
}

#[test]
fn a_move_whose_caller_hung_up_during_a_write_still_keeps_other_changes_out() {
    let (connect, broker, moved) = a_move_that_writes();
    drop(moved);
    let set = begin_set(&broker, OTHER);
    round_trip(&broker);
    connect.heal();

    refused(set, "a move of");
    assert_eq!(there(&connect).as_deref(), Some(VALUE));
    assert_serves(&broker, NAME, VALUE);
}

#[test]
fn a_value_set_or_moved_while_a_rotation_asks_github_is_not_ended_by_it() {
    let scene = Scene::new();
    let broker = &scene.broker;
    let ask = "GET /user";
    scene.github.forget_calls();
    scene.github.fault(Fault::on(ask).effect(Effect::Hold));
    let rotated = begin_rotation(broker, NEW);
    scene.github.wait_for_calls(ask, 1);
    let (set, moved) = (begin_set(broker, OTHER), begin_move(broker, "env:CI_TOKEN"));
    round_trip(broker);
    scene.github.heal();

    let rotated = end(rotated);
    assert_eq!(rotated.status, 200, "{rotated:?}");
    refused(set, "a rotation of");
    refused(moved, "a rotation of");
    assert_eq!(scene.handed_out(), NEW);
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("with a set and a move that waited");
}
