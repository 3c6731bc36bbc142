//! Killed at any step and run again, a move ends well: nothing is lost, and leases are served.

use std::process::Stdio;

use support::needs;

use super::*;
use crate::rekey::Killer;

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a move to its end after what happened, and back to where it was.
fn ends_well(broker: TestBroker, how: &str) -> TestBroker {
    let broker = start(broker.kill());
    assert_serves(&broker, NAME, VALUE);
    let again = run(&broker, &[NAME, "--to", "vault"]);
    assert!(again.status.success(), "{how}: {again:?}");
    assert_eq!(source(&broker, NAME), "vault", "{how}");
    assert_serves(&broker, NAME, VALUE);
    let back = run(&broker, &[NAME, "--back"]);
    assert!(back.status.success(), "{how}: {back:?}");
    // So that the next round writes again.
    broker
        .home
        .ctl(&["secret", "remove", NAME, "--yes"])
        .success();
    assert_eq!(
        policy(&broker.home).matches("\"vault\"").count(),
        0,
        "{how}"
    );
    broker
}

/// Kills the broker at the `nth` such call while a secret is moved, over and over.
fn broker_killed_at_each(call: &str, step: usize, most: usize) -> usize {
    let mut broker = start(home(""));
    let mut killed = 0;
    for nth in (1..).step_by(step).take(most) {
        let killer = Killer::at(&broker, call, nth);
        let ended = quiet(moving(&broker.home, &[NAME, "--to", "vault"])).status();
        drop(killer);
        let survived = ended.unwrap().success();
        killed += usize::from(!survived);
        broker = ends_well(broker, &format!("the broker was killed at {call} {nth}"));
        if survived {
            break;
        }
    }
    broker.stop().ctl(&["audit", "verify"]).success();
    killed
}

#[test]
fn a_broker_killed_at_any_write_of_a_move_ends_well() {
    if needs::program("strace") {
        let killed = broker_killed_at_each("pwrite64", 2, 24);
        assert!(killed >= 4, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_any_sync_of_a_move_ends_well() {
    if needs::program("strace") {
        let killed = broker_killed_at_each("fdatasync,fsync", 1, 24);
        assert!(killed >= 4, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_when_each_record_appears_ends_well() {
    for kind in [
        "secret.used",
        "secret.moving",
        "secret.set",
        "policy.loaded",
        "secret.moved",
    ] {
        let broker = start(home(""));
        let before = broker.home.records_of(kind).len();
        let mut child = quiet(moving(&broker.home, &[NAME, "--to", "vault"]))
            .spawn()
            .unwrap();
        support::wait::until(|| broker.home.records_of(kind).len() > before);
        let broker = start(broker.kill());
        child.wait().unwrap();
        ends_well(broker, kind);
    }
}

/// Kills the command line at the `nth` such call of its own.
#[test]
fn a_command_killed_at_any_of_its_calls_ends_well() {
    if !needs::program("strace") {
        return;
    }
    for call in ["connect", "write", "fsync", "rename", "fchmod,openat"] {
        let mut broker = start(home(""));
        let mut killed = 0;
        for nth in (1..)
            .step_by(if call == "fchmod,openat" { 5 } else { 1 })
            .take(16)
        {
            let command = moving(&broker.home, &[NAME, "--to", "vault"]);
            let mut traced = Command::new("strace");
            traced
                .args(["-f", "-qq", "-o", "/dev/null", "-e"])
                .arg(format!("trace={call}"))
                .arg("-e")
                .arg(format!("inject={call}:signal=KILL:when={nth}"))
                .arg(command.get_program())
                .args(command.get_args())
                .env_clear()
                .envs(
                    command
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                )
                .stdin(Stdio::null());
            let survived = quiet(traced).status().unwrap().success();
            killed += usize::from(!survived);
            assert_serves(&broker, NAME, VALUE);
            broker = ends_well(broker, &format!("the command was killed at {call} {nth}"));
            if survived {
                break;
            }
        }
        assert!(killed >= 1, "{call}: killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_any_sync_while_the_old_copy_is_erased_ends_well() {
    if !needs::program("strace") {
        return;
    }
    let mut killed = 0;
    for nth in 1..12 {
        let broker = start(home(""));
        run(&broker, &[NAME, "--to", "vault"]).success();
        run(&broker, &[NAME, "--finish"]).success();
        run(&broker, &[NAME, "--to", ENV]).success();
        let killer = Killer::at(&broker, "fdatasync,fsync", nth);
        let ended = quiet(moving(&broker.home, &[NAME, "--finish"])).status();
        drop(killer);
        let survived = ended.unwrap().success();
        killed += usize::from(!survived);
        let broker = start(broker.kill());
        let how = format!("killed at sync {nth}");
        assert_serves(&broker, NAME, VALUE);
        let again = run(&broker, &[NAME, "--finish"]);
        let over = again.status.success() || again.stderr.contains("no move of");
        assert!(over, "{how}: {again:?}");
        let shown = broker
            .http("GET", &format!("/v1/secrets/{NAME}"), "")
            .json();
        assert_eq!(shown["version"], Value::Null, "{how}: {shown}");
        assert_serves(&broker, NAME, VALUE);
        if survived {
            break;
        }
    }
    assert!(killed >= 2, "killed {killed} times");
}
