//! Connections and numbers that outlive their process.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use broker::caller::{Gone, PeerError};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::actor::{Stage, can_run, is_within, passes_within};

#[test]
fn an_inherited_connection_is_refused_once_its_opener_has_ended() {
    let stage = Stage::new();
    let mut opener = stage.start(&["env"], &stage.program("opener"));
    let mut peer = stage.accept().unwrap();
    assert_eq!(peer.identify().unwrap().pid, Some(opener.pid()));

    opener.leaves_a_child("cat");
    peer.stream.write_all(b"a request").unwrap();
    let mut answer = [0; 9];
    peer.stream.read_exact(&mut answer).unwrap();
    assert_eq!(
        &answer, b"a request",
        "the child can still use the connection"
    );
    assert_eq!(
        peer.identify(),
        Err(Gone),
        "but no process is on the other end"
    );
}

#[test]
fn a_connection_inherited_before_it_was_accepted_is_refused() {
    let stage = Stage::new();
    let mut opener = stage.start(&["env"], &stage.program("opener"));
    opener.leaves_a_child("cat");
    assert!(matches!(stage.accept(), Err(PeerError::Gone(Gone))));
}

#[test]
fn an_opener_that_is_a_zombie_has_ended() {
    let stage = Stage::new();
    let opener = stage.start(&["env"], &stage.program("opener"));
    let peer = stage.accept().unwrap();
    assert!(peer.identify().is_ok());

    let pid = Pid::from_raw(opener.pid());
    kill(pid, Signal::SIGKILL).unwrap();
    // Looks at the end without taking it: the number and its directory in /proc stay.
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    assert_eq!(peer.identify(), Err(Gone));
}

/// In a pid namespace of its own, where no other process takes the number first.
#[test]
fn a_recycled_pid_is_not_the_caller() {
    const NUMBERS: &str = "/proc/sys/kernel/ns_last_pid";
    let alone = [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ];
    if !is_within() && !can_run(&alone) {
        return;
    }
    if passes_within(&alone, "inherited::a_recycled_pid_is_not_the_caller") {
        return;
    }
    let stage = Stage::new();
    let program = stage.program("program");

    let mut queued = stage.start(&["env"], &program);
    let number = queued.pid();
    queued.ends();
    fs::write(NUMBERS, (number - 1).to_string()).unwrap();
    let mut second = stage.start(&["env"], &program);
    assert_eq!(second.pid(), number, "the number has a new owner");
    assert!(
        matches!(stage.accept(), Err(PeerError::Gone(Gone))),
        "the first was queued"
    );

    let peer = stage.accept().unwrap();
    assert_eq!(
        peer.identify().unwrap().pid,
        Some(number),
        "the second is who it is"
    );
    second.ends();
    fs::write(NUMBERS, (number - 1).to_string()).unwrap();
    let third = stage.start(&["env"], &program);
    assert_eq!(third.pid(), number, "the number has a new owner again");
    assert_eq!(peer.identify(), Err(Gone));
}

#[tokio::test]
async fn the_openers_end_can_be_waited_for() {
    let stage = Stage::new();
    let mut opener = stage.start(&["env"], &stage.program("opener"));
    let peer = stage.accept().unwrap();
    let watch = peer.exit_watch().unwrap();
    let second = peer.exit_watch().unwrap();
    drop(peer);

    let mut end = std::pin::pin!(watch.exited());
    let early = tokio::time::timeout(Duration::from_millis(20), &mut end).await;
    assert!(early.is_err(), "it lives");
    opener.ends();
    tokio::time::timeout(Duration::from_secs(10), end)
        .await
        .unwrap();
    // One that waits only from now on returns at once.
    tokio::time::timeout(Duration::from_secs(10), second.exited())
        .await
        .unwrap();
}
