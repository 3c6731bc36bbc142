//! A broker that is killed while it re-keys leaves a vault that opens.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use support::broker::Ran;
use support::{TestBroker, needs, wait};

use super::{assert_serves, next_key, version, with_secrets};

/// `strace` on a running broker, which kills it at the `nth` such call of one of its threads.
pub(crate) struct Killer(Child);

impl Killer {
    pub(crate) fn at(broker: &TestBroker, call: &str, nth: usize) -> Self {
        let pid = broker.pid();
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:signal=KILL:when={nth}"))
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait::until(|| all_traced(pid));
        Self(tracer)
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

fn all_traced(pid: Pid) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status"));
        status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}

/// Kills the broker at the `nth` such call while it re-keys, over and over; each time the vault opens,
/// and a re-key run again ends well. Returns how many times it was killed.
fn killed_at_each(call: &str, step: usize, most: usize) -> usize {
    let mut broker = with_secrets(60);
    let mut killed = 0;
    for nth in (1..).step_by(step).take(most) {
        let before = version(&broker);
        let killer = Killer::at(&broker, call, nth);
        let mut rekeying = broker
            .home
            .tokenctl()
            .arg("rekey")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = rekeying.wait().unwrap();
        drop(killer);
        let survived = ended.success();
        killed += usize::from(!survived);
        broker = broker.kill().start();
        let how = format!("killed at {call} {nth}");
        assert_serves(&broker);
        let now = version(&broker);
        assert!(
            now == before || now == before + 1,
            "{how}: {before}, then {now}"
        );
        assert!(!next_key(&broker.home).exists(), "{how}");
        let again: Ran = broker.home.ctl(&["rekey"]);
        assert!(again.status.success(), "{how}: {again:?}");
        assert_eq!(version(&broker), now + 1, "{how}");
        assert_serves(&broker);
        assert_every_secret_opens(&broker);
        if survived {
            break;
        }
    }
    let home = broker.stop();
    home.ctl(&["audit", "verify"]).success();
    killed
}

/// A re-key opens every data key, and refuses if one does not.
fn assert_every_secret_opens(broker: &TestBroker) {
    let answer = broker.http("POST", "/v1/rekey", "");
    assert_eq!(answer.json()["data_keys"], 61, "{answer:?}");
}

#[test]
fn a_broker_killed_at_any_write_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        let killed = killed_at_each("pwrite64", 5, 24);
        assert!(killed >= 5, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_any_sync_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        let killed = killed_at_each("fdatasync,fsync", 1, 16);
        assert!(killed >= 2, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_the_move_of_the_key_file_leaves_a_vault_that_opens() {
    if needs::program("strace") {
        for call in ["rename", "unlink"] {
            killed_at_each(call, 1, 3);
        }
    }
}

#[test]
fn a_broker_killed_at_any_moment_leaves_a_vault_that_opens() {
    let mut broker = with_secrets(60);
    for round in 0..15_u64 {
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
        assert_serves(&broker);
        assert!(!next_key(&broker.home).exists(), "round {round}");
    }
    broker.home.ctl(&["rekey"]).success();
    assert_every_secret_opens(&broker);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is tried"
)]
fn thread_sleep(time: Duration) {
    thread::sleep(time);
}
