//! The program on the socket.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use broker::caller::Programs;
use sha2::{Digest, Sha256};

use crate::actor::{Stage, of_the_system};

#[test]
fn an_honest_program_is_known_by_path_and_digest() {
    let stage = Stage::new();
    let program = stage.program("honest");
    let _actor = stage.start(&["env"], &program);
    let caller = stage
        .accept_reading(Programs::PathAndDigest)
        .unwrap()
        .identify()
        .unwrap();
    assert_eq!(caller.exe.as_deref(), program.to_str());
    let want: [u8; 32] = Sha256::digest(fs::read(&program).unwrap()).into();
    assert_eq!(caller.sha256, Some(want));
}

#[test]
fn a_digest_is_read_only_where_it_is_asked_for() {
    let stage = Stage::new();
    let _actor = stage.start(&["env"], &stage.program("honest"));
    let caller = stage.accept().unwrap().identify().unwrap();
    assert!(caller.exe.is_some());
    assert_eq!(caller.sha256, None);
}

#[test]
fn a_program_is_hashed_again_when_its_file_has_changed() {
    let stage = Stage::new();
    let program = stage.program("honest");
    let actor = stage.start(&["env"], &program);
    let before = stage
        .accept_reading(Programs::PathAndDigest)
        .unwrap()
        .identify()
        .unwrap();
    drop(actor);

    let longer = Command::new("sh")
        .args(["-c", r#"echo longer >>"$0""#])
        .arg(&program)
        .status();
    assert!(longer.unwrap().success());
    let _actor = stage.start(&["env"], &program);
    let after = stage
        .accept_reading(Programs::PathAndDigest)
        .unwrap()
        .identify()
        .unwrap();
    assert_eq!(before.exe, after.exe);
    assert_ne!(before.sha256, after.sha256);
}

#[test]
fn a_program_that_others_may_write_does_not_count() {
    for mode in [0o775, 0o757] {
        let stage = Stage::new();
        let program = stage.program("open");
        fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        let _actor = stage.start(&["env"], &program);
        let caller = stage
            .accept_reading(Programs::PathAndDigest)
            .unwrap()
            .identify()
            .unwrap();
        assert_eq!((&caller.exe, caller.sha256), (&None, None), "mode {mode:o}");
    }
}

#[test]
fn a_program_whose_file_was_replaced_does_not_count() {
    let stage = Stage::new();
    let program = stage.program("upgraded");
    let _actor = stage.start(&["env"], &program);
    fs::rename(stage.program("new"), &program).unwrap();
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(caller.exe, None);
    assert!(caller.pid.is_some());
}

#[test]
fn a_program_whose_file_is_replaced_between_accept_and_request_no_longer_counts() {
    let stage = Stage::new();
    let program = stage.program("upgraded");
    let _actor = stage.start(&["env"], &program);
    let peer = stage.accept().unwrap();
    assert!(peer.identify().unwrap().exe.is_some());
    fs::rename(stage.program("new"), &program).unwrap();
    assert_eq!(peer.identify().unwrap().exe, None);
}

#[test]
fn connecting_and_then_running_an_allowed_program_gains_nothing() {
    let stage = Stage::new();
    let mut actor = stage.start(&["env"], &stage.program("forger"));
    let peer = stage.accept_reading(Programs::PathAndDigest).unwrap();
    let before = peer.identify().unwrap();
    assert!(before.exe.is_some());

    actor.becomes(&of_the_system("cat"));
    let after = peer.identify().unwrap();
    assert_eq!((&after.exe, after.sha256), (&None, None));
    assert_eq!(after.pid, before.pid, "the process is the same");
}

/// Today's behaviour, and the reason why `exe` is no boundary: the kernel does not say which program
/// a process ran when it connected, only which one it runs when it is read.
#[test]
fn running_an_allowed_program_before_the_broker_accepts_is_not_seen() {
    let stage = Stage::new();
    let allowed = of_the_system("cat");
    let mut actor = stage.start(&["env"], &stage.program("forger"));
    actor.becomes(&allowed);
    let caller = stage.accept().unwrap().identify().unwrap();
    assert_eq!(
        caller.exe.as_deref().map(Path::new),
        Some(allowed.as_path())
    );
}
