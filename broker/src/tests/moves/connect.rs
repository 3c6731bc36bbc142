//! Through a Connect server the broker writes and erases by itself. One that dies while it writes is killed in
//! `tests/e2e/moving/connect.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::connect::{StandInConnect, TOKEN, World};
use support::github::Fault;

use super::*;

pub(super) const TO: &str = "op://Github-Tokens/moved-token/credential";

pub(super) fn with_connect() -> (StandInConnect, Scene) {
    let connect = StandInConnect::start(World::default());
    connect.set("Github-Tokens", "something else", "credential", "x");
    let broker = InProcess::start(home(&connect.config()));
    broker.set("onepassword-token", TOKEN);
    (connect, Scene { broker })
}

pub(super) fn there(connect: &StandInConnect) -> Option<String> {
    connect.value("Github-Tokens", NAME, "credential")
}

#[test]
fn the_broker_makes_the_item_and_takes_the_field_out_of_it_again_and_no_lease_fails() {
    let (connect, scene) = with_connect();
    let planned = scene.ask("", &json!({ "to": TO, "dry_run": true }));
    let planned = planned.json().to_string();
    let writes = "the broker writes the value there";
    assert!(planned.contains(writes), "{planned}");
    assert_eq!(there(&connect), None);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                scene.assert_serves(NAME, VALUE);
                scene.assert_serves(OTHER, OTHER_VALUE);
            }
        });
        scene.to(TO).the_end();
        assert_eq!(there(&connect).as_deref(), Some(VALUE));
        scene.finish().the_end();
        scene.to("vault").the_end();
        scene.finish().the_end();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(there(&connect), None);
    scene.assert_serves(NAME, VALUE);
    let records = scene.broker.home.records_of("secret.moving");
    let steps: Vec<_> = records.iter().map(|record| &record["step"]).collect();
    assert_eq!(steps, ["writing", "copied", "writing", "copied"]);
}

#[test]
fn a_token_that_may_not_write_changes_nothing() {
    let (connect, scene) = with_connect();
    let (file, _) = scene.file();
    connect.fault(Fault::on("POST /v1/vaults/*/items").refuse(
        403,
        "Authorization: token does not have permission to perform create on vault",
    ));
    let refused = scene.to(TO).a_refusal();
    assert!(refused.contains("source_unavailable"), "{refused}");
    assert_eq!(scene.source(), file);
    assert_eq!(there(&connect), None);
    let failed = scene.broker.home.records_of("secret.move_failed");
    assert_eq!(failed.len(), 1);
    scene.assert_serves(NAME, VALUE);
}

#[test]
fn a_field_that_another_secret_may_be_taken_from_is_not_erased_however_it_is_written() {
    let (connect, scene) = with_connect();
    scene.to(TO).the_end();
    scene.finish().the_end();
    let as_other = TO.replace("Github", "github").replace("moved-", "Moved-");
    let file = scene.broker.home.path().join(OTHER);
    let shared = scene
        .policy()
        .replace(&format!("file:{}", file.display()), &as_other);
    scene.broker.home.policy("secrets.toml", &shared);
    scene.broker.reload();
    scene.assert_serves(OTHER, VALUE);

    scene.to("vault").the_end();
    let finished = scene.finish().the_end();
    let stays = format!("stays, because `{OTHER}` is taken from it too");
    assert!(finished.contains(&stays), "{finished}");
    assert_eq!(there(&connect).as_deref(), Some(VALUE));
    scene.assert_serves(NAME, VALUE);
    scene.assert_serves(OTHER, VALUE);
}
