//! A Connect server that fails in the middle of a move. What the broker writes and erases there by itself is tested
//! in process, in `broker/src/tests/moves/connect.rs`.

use support::connect::{StandInConnect, TOKEN, World};
use support::github::Fault;

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
