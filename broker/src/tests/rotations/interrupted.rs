//! A reply that is lost, or a caller that goes away, leaves a rotation that goes on.

use std::time::Duration;

use support::forge::edit_vault;
use support::github::{Effect, Fault};
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
        "left to the operator who drives it"
    );
    scene.broker.clock.advance(Duration::from_secs(6));
    wait::until(|| scene.state()["phase"] == "finished");
    scene.assert_rotated("by the broker alone");
}

#[test]
fn a_value_set_or_moved_while_a_rotation_asks_github_is_not_ended_by_it() {
    let scene = Scene::new();
    let broker = &scene.broker;
    let ask = "GET /user";
    scene.github.forget_calls();
    scene.github.fault(Fault::on(ask).effect(Effect::Hold));
    let path = format!("/v1/rotations/{NAME}");
    let rotated = broker.begin("POST", &path, &json!({ "value": NEW }).to_string());
    scene.github.wait_for_calls(ask, 1);
    let path = format!("/v1/secrets/{NAME}");
    let other = "ghp_CANARYcanaryCANARYcanaryCANARYcan0099";
    let body = json!({ "value": other, "check": false }).to_string();
    let set = broker.begin("PUT", &path, &body);
    let to = json!({ "to": "env:CI_TOKEN" }).to_string();
    let moved = broker.begin("POST", &format!("{path}/move"), &to);
    let status = broker.begin("GET", "/v1/status", "");
    assert_eq!(broker.finished(status).status, 200);
    scene.github.heal();

    let rotated = broker.finished(rotated);
    assert_eq!(rotated.status, 200, "{rotated:?}");
    for refused in [set, moved] {
        let refused = broker.finished(refused);
        assert_eq!(refused.status, 409, "{refused:?}");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("a rotation of"), "{detail}");
    }
    assert_eq!(scene.handed_out(), NEW);
    scene.confirm(NAME, &json!({}));
    scene.go_on(NAME).the_end();
    scene.assert_rotated("with a set and a move that waited");
}

#[test]
fn a_rotation_that_someone_wrote_into_the_vault_ends_no_value_and_none_of_before_goes_on() {
    let third = "ghp_THIRDcanaryTHIRDcanaryTHIRDcanary0003";
    let scopes = ["repo", "workflow"];
    let scene = Scene::with(world().classic(third, "acme-bot", &scopes), SINK);
    scene.rotate(Then::RevokeAfter(300)).the_end();
    let Scene { github, broker } = scene;
    let home = broker.stop();
    // At once and not in five minutes, and of the value in use.
    let sql = "UPDATE rotation SET state = json_set(state, '$.phase', 'revoking', '$.revoke_at',
               json_extract(state, '$.next_at'), '$.old', json_extract(state, '$.new'))";
    edit_vault(&home, sql, &home.records());
    let broker = InProcess::start(home);
    let scene = Scene { github, broker };
    let mismatches = || scene.broker.home.records_of("vault.mismatch");
    wait::until(|| !mismatches().is_empty());
    assert_eq!(mismatches()[0]["rotations"], json!([NAME]));
    let trace = scene.broker.home.trace();
    assert!(trace.contains("may still work at GitHub"), "{trace}");
    assert_eq!(scene.handed_out(), NEW);
    assert_eq!(scene.state()["phase"], "none");
    // And the operator goes on, from the value in use.
    let next = json!({ "value": third });
    scene.rotate_to(NAME, &next, Then::Revoke).the_end();
    assert_eq!(scene.handed_out(), third);
    assert!(scene.is_dead(NEW), "ended in its turn");
    assert!(!scene.is_dead(OLD), "not ended by what someone wrote");
}
