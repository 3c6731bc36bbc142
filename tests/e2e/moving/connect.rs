//! A Connect server that fails in the middle of a move, and a broker that is killed while it writes there. What
//! the broker writes and erases there by itself is tested in process, in `broker/src/tests/moves/connect.rs`.

use support::connect::{StandInConnect, TOKEN, World};
use support::github::{Effect, Fault};
use support::wait;

use super::*;

pub(super) const TO: &str = "op://Github-Tokens/org-label-sync-token/credential";

pub(super) fn with_connect() -> (StandInConnect, TestBroker) {
    let connect = StandInConnect::start(World::default());
    connect.set("Github-Tokens", "something else", "credential", "x");
    let broker = start(home(&connect.config()));
    let set = ["secret", "set", "onepassword-token"];
    broker.home.ctl_with(&set, TOKEN).success();
    (connect, broker)
}

pub(super) fn there(connect: &StandInConnect) -> Option<String> {
    connect.value("Github-Tokens", NAME, "credential")
}

#[test]
fn a_write_that_failed_or_happened_without_an_answer_is_settled_by_running_it_again() {
    let write = "POST /v1/vaults/*/items";
    for effect in [Effect::Hang, Effect::HangAfter] {
        let (connect, broker) = with_connect();
        connect.fault(Fault::on(write).effect(effect).times(1));
        let mut tokenctl = moving(&broker.home, &[NAME, "--to", TO]).spawn().unwrap();
        wait::until(|| connect.calls(write) == 1);
        let home = broker.kill();
        tokenctl.wait().unwrap();
        connect.heal();
        let broker = start(home);
        assert_serves(&broker, NAME, VALUE);
        run(&broker, &[NAME, "--to", TO]).success();
        assert_serves(&broker, NAME, VALUE);
        let items = connect.items("Github-Tokens");
        let named = items.iter().filter(|item| item["title"] == NAME).count();
        assert_eq!(named, 1, "{items:?}");
    }
}

#[test]
fn a_place_that_fails_once_policies_name_it_is_left_again_and_no_lease_is_refused() {
    let reads = "GET /v1/vaults/*/items/*";
    let (connect, broker) = with_connect();
    run(&broker, &[NAME, "--to", TO]).success();
    // The last reading is the one after the switch.
    let before = u32::try_from(connect.calls(reads) - 1).unwrap();

    let (connect, broker) = with_connect();
    connect.fault(Fault::on(reads).refuse(500, "down").after(before));
    let ran = run(&broker, &[NAME, "--to", TO]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    let says = format!("policies take it from {ENV} again");
    assert!(ran.stderr.contains(&says), "{ran:?}");
    assert_eq!(broker.home.records_of("secret.moved_back").len(), 1);
    assert_serves(&broker, NAME, VALUE);

    // Another value in the new place, once policies name it, does not bar the way back.
    connect.heal();
    broker.reload();
    run(&broker, &[NAME, "--to", TO, "--print"]);
    connect.set("Github-Tokens", NAME, "credential", "ghp_another");
    let changed = policy(&broker.home).replace(ENV, TO);
    broker.home.policy("secrets.toml", &changed);
    let ran = run(&broker, &[NAME, "--to", TO]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert_eq!(source(&broker, NAME), ENV);
    assert_serves(&broker, NAME, VALUE);
}
