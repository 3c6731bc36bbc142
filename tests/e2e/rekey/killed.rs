//! A broker that is killed while it re-keys leaves a vault that opens.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use support::broker::{MANY_LEASES, Ran, like_label_sync};
use support::strace::Killer;
use support::{Home, TestBroker, kills, needs};

use super::{next_key, set, version};

const SECRETS: usize = 12;

fn value(nth: usize) -> String {
    format!("ghp_CANARYcanaryCANARYcanaryCANARYcan{nth:04}")
}

/// A broker with so many secrets, each of another value and behind a purpose of its own.
fn with_known_secrets() -> TestBroker {
    let home = Home::ready();
    home.config(MANY_LEASES);
    let mut declared = String::new();
    for nth in 0..SECRETS {
        let secret = format!("more-{nth}");
        declared.push_str(&format!("[secret.{secret}]\nkind = \"classic\"\n"));
        let purpose = like_label_sync(&format!("use-{nth}"), &secret);
        home.policy(&format!("use-{nth}.toml"), &purpose);
    }
    home.policy("more.toml", &declared);
    let broker = home.start();
    for nth in 0..SECRETS {
        set(&broker, &format!("more-{nth}"), &value(nth));
    }
    broker
}

#[track_caller]
fn assert_every_secret_is_as_it_was(broker: &TestBroker) {
    for nth in 0..SECRETS {
        let answer = broker.lease(&format!(r#"{{"purpose":"use-{nth}"}}"#));
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["token"], value(nth));
    }
}

/// Kills the broker at one such call after the other while it re-keys; each time the vault opens, and a
/// re-key run again ends well. Returns how many times it was killed.
fn killed_at_each(call: &str) -> usize {
    let mut broker = Some(with_known_secrets());
    let killed = kills::at_calls(|nth| {
        let (again, killed) = killed_at(broker.take().unwrap(), call, nth);
        broker = Some(again);
        killed
    });
    let home = broker.unwrap().stop();
    home.ctl(&["audit", "verify"]).success();
    killed
}

/// Kills the broker at this call of a re-key, and looks at what is left. Whether it was killed.
fn killed_at(broker: TestBroker, call: &str, nth: usize) -> (TestBroker, bool) {
    let before = version(&broker);
    let killer = Killer::at(&broker, call, nth);
    let ended = broker.home.ctl(&["rekey"]);
    drop(killer);
    let broker = broker.kill().start();
    let how = format!("killed at {call} {nth}");
    assert_every_secret_is_as_it_was(&broker);
    let now = version(&broker);
    assert!(
        now == before || now == before + 1,
        "{how}: {before}, then {now}"
    );
    assert!(!next_key(&broker.home).exists(), "{how}");
    let again: Ran = broker.home.ctl(&["rekey"]);
    assert!(again.status.success(), "{how}: {again:?}");
    assert_eq!(version(&broker), now + 1, "{how}");
    assert_every_secret_is_as_it_was(&broker);
    (broker, !ended.status.success())
}

#[test]
fn a_broker_killed_at_any_write_or_sync_or_at_the_move_of_the_key_file_leaves_a_vault_that_opens() {
    if !needs::program("strace") {
        return;
    }
    for (calls, least) in [
        ("pwrite64", 5),
        ("fdatasync,fsync", 2),
        ("rename", 0),
        ("unlink", 0),
    ] {
        let killed = killed_at_each(calls);
        assert!(
            killed * kills::step() >= least,
            "{calls}: killed {killed} times"
        );
    }
}

#[test]
fn a_broker_killed_at_any_moment_leaves_a_vault_that_opens() {
    let mut broker = with_known_secrets();
    for round in (0..15_u64).step_by(kills::step().min(3)) {
        let mut rekeying = broker
            .home
            .tokenctl()
            .arg("rekey")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread_sleep(Duration::from_millis(round * 3));
        broker = broker.kill().start();
        rekeying.wait().unwrap();
        assert_every_secret_is_as_it_was(&broker);
        assert!(!next_key(&broker.home).exists(), "round {round}");
    }
    broker.home.ctl(&["rekey"]).success();
    assert_every_secret_is_as_it_was(&broker);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is tried"
)]
fn thread_sleep(time: Duration) {
    thread::sleep(time);
}
