//! The same on a real file system: modes, names, and hands that touch files under a running broker.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use super::super::{AuditLog, Options, SEGMENT_LIMIT, segment};
use super::*;

pub(super) fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("audit"),
        read_group: None,
        identity: identity(),
        noted: None,
        authenticated: None,
        ahead: true,
        segment_limit: SEGMENT_LIMIT,
    }
}

fn open(options: Options) -> Result<(AuditLog, LogState), AuditLogError> {
    AuditLog::open(options, Arc::new(clock()))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn records_written_before_a_stop_are_there_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let (log, opened) = open(options(home.path())).unwrap();
    assert!(opened.created);
    let Entry { body, effect } = grant(1);
    assert_eq!(log.record_blocking(body, effect).unwrap(), 2);
    let noted = Some(log.head());
    drop(log);

    let again = Options {
        noted,
        ..options(home.path())
    };
    let (log, opened) = open(again).unwrap();
    assert_eq!(live_texts(&opened.live), bodies(&[grant(1)]));
    assert!(opened.since_noted.granted.is_empty() && !opened.recovered);
    assert_eq!(Some(log.head()), noted);
}

#[test]
fn files_are_for_the_broker_alone_and_for_the_read_group_where_there_is_one() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = open(options(home.path())).unwrap();
    let dir = home.path().join("audit");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join(segment::name(0))), 0o600);
    drop(log);

    let home = tempfile::tempdir().unwrap();
    let shared = Options {
        read_group: Some(nix::unistd::getegid()),
        ..options(home.path())
    };
    let _log = open(shared).unwrap();
    let dir = home.path().join("audit");
    assert_eq!(mode(&dir), 0o750);
    assert_eq!(mode(&dir.join(segment::name(0))), 0o640);
}

#[test]
fn a_read_group_that_is_named_later_gets_what_is_there_already() {
    let home = tempfile::tempdir().unwrap();
    drop(open(options(home.path())).unwrap());
    let dir = home.path().join("audit");
    let file = dir.join(segment::name(0));
    let shared = || Options {
        read_group: Some(nix::unistd::getegid()),
        ..options(home.path())
    };
    // The second time it is as it should be already.
    for _ in 0..2 {
        drop(open(shared()).unwrap());
        assert_eq!((mode(&dir), mode(&file)), (0o750, 0o640));
    }
    // A group that the account is not in cannot be given anything, and it is said which file that is about.
    if !nix::unistd::geteuid().is_root() {
        let others = Options {
            read_group: Some(nix::unistd::Gid::from_raw(0)),
            ..options(home.path())
        };
        let error = open(others).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!(
                "cannot let `[audit] read_group` read {}",
                dir.display()
            )),
            "{error}"
        );
    }
}

#[test]
fn a_log_open_to_others_is_refused_and_the_printed_chmod_fixes_it() {
    let home = tempfile::tempdir().unwrap();
    drop(open(options(home.path())).unwrap());
    let dir = home.path().join("audit");
    let file = dir.join(segment::name(0));
    for (path, bad) in [(&dir, 0o770), (&dir, 0o705), (&file, 0o620), (&file, 0o604)] {
        set_mode(path, bad);
        let error = open(options(home.path())).err().unwrap().to_string();
        let (_, command) = error.split_once('`').unwrap();
        let command = command.trim_end_matches('`');
        let status = std::process::Command::new("sh")
            .arg("-c")
            .arg(command)
            .status();
        assert!(status.unwrap().success(), "{command}");
        drop(open(options(home.path())).unwrap());
    }
}

#[test]
fn a_link_in_the_place_of_a_segment_is_refused() {
    let home = tempfile::tempdir().unwrap();
    drop(open(options(home.path())).unwrap());
    let file = home.path().join("audit").join(segment::name(0));
    let elsewhere = home.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let error = open(options(home.path())).err().unwrap();
    assert!(matches!(error, AuditLogError::NotAFile { .. }), "{error}");
}

#[test]
fn a_segment_deleted_or_extended_under_a_running_broker_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = open(options(home.path())).unwrap();
    let dir = home.path().join("audit");
    let file = dir.join(segment::name(0));

    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(b"{}\n");
    fs::write(&file, &bytes).unwrap();
    let write = |why: &str| {
        let Entry { body, effect } = remark(why);
        log.record_blocking(body, effect)
    };
    assert!(
        write("refused")
            .unwrap_err()
            .to_string()
            .contains("another program")
    );
    let seq = write("recorded").unwrap();
    let last = dir.join(segment::name(2));
    assert!(fs::read_to_string(&last).unwrap().contains("recorded"));
    assert_eq!(seq, 4, "after leases.open and log.recovered");

    fs::remove_file(&last).unwrap();
    assert!(
        write("refused")
            .unwrap_err()
            .to_string()
            .contains("was deleted")
    );
    assert!(log.fault().unwrap().contains("put that very file back"));
}

#[test]
fn the_whole_directory_deleted_under_a_running_broker_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = open(options(home.path())).unwrap();
    fs::remove_dir_all(home.path().join("audit")).unwrap();
    let Entry { body, effect } = remark("refused");
    assert!(log.record_blocking(body, effect).is_err());
    log.close();
    assert!(!home.path().join("audit").exists());
}
