//! A reply that is lost, or a caller that goes away, leaves a rotation that goes on.

use std::time::Duration;

use support::github::Fault;
use support::wait;

use super::*;

#[test]
fn a_lost_reply_to_the_writing_of_a_sink_is_written_once_more_and_there_is_one_secret() {
    let scene = Scene::new();
    let on = "PUT /repos/acme/site/actions/secrets/*";
    scene.github.fault(Fault::on(on).lose_reply().times(1));
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("a reply to PUT was lost");
}

#[test]
fn a_lost_reply_to_the_revocation_ends_well() {
    let scene = Scene::new();
    let on = "POST /credentials/revoke";
    scene.github.fault(Fault::on(on).lose_reply().times(1));
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("a reply to the revocation was lost");
}

#[test]
fn every_reply_lost_to_a_step_leaves_it_due_and_the_next_run_goes_on() {
    for on in [
        "PUT /repos/acme/site/actions/secrets/*",
        "POST /credentials/revoke",
    ] {
        let scene = Scene::new();
        scene.github.fault(Fault::on(on).lose_reply());
        let why = scene.rotate(Then::Revoke).a_failure();
        assert!(why.contains("GitHub"), "{on}: {why}");
        scene.github.heal();
        // A host that failed so often is left alone for some seconds.
        scene.broker.clock.advance(Duration::from_secs(60));
        wait::until(|| scene.go_on(NAME) == Reached::TheEnd);
        scene.assert_rotated(on);
    }
}

#[test]
fn a_rotation_that_its_driver_left_goes_on_after_half_a_minute_and_not_before() {
    let scene = Scene::new();
    let path = format!("/v1/rotations/{NAME}");
    scene.post(&path, &json!({ "value": NEW }));
    scene.confirm(NAME, &json!({}));
    scene.post(&format!("{path}/next"), &json!({}));
    assert!(!scene.broker.home.records_of("sink.pushed").is_empty());
    assert_eq!(scene.state()["phase"], "swapped");
    scene.broker.clock.advance(Duration::from_secs(25));
    scene.broker.round();
    assert_eq!(
        scene.state()["phase"],
        "swapped",
        "left to whoever drives it"
    );
    scene.broker.clock.advance(Duration::from_secs(6));
    wait::until(|| scene.state()["phase"] == "finished");
    scene.assert_rotated("by the broker alone");
}
