//! What a backup is refused for, each with its own words, and what stays untouched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use support::binaries;

use super::*;

/// Nothing was backed up yet.
#[track_caller]
fn nothing_has_left(broker: &TestBroker) {
    assert!(broker.home.records_of("vault.backed_up").is_empty());
}

#[test]
fn what_cannot_be_written_where_it_was_asked_for_is_refused_before_anything_leaves() {
    let broker = TestBroker::with_label_sync();
    let file = backup_of(&broker.home);
    let arguments = ["backup", file.to_str().unwrap()];
    // A short passphrase, and none.
    let short = [&arguments[..], &["--passphrase-file", "-"]].concat();
    let ran = broker.home.ctl_with(&short, "eleven char");
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    assert!(ran.stderr.contains("at least 12 characters"), "{ran:?}");
    let ran = broker.home.ctl(&arguments);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--passphrase-file"), "{ran:?}");
    assert!(!file.exists());
    // Where nothing can be written the broker is not even asked.
    let nowhere = broker.home.path().join("nowhere/tokend.backup");
    let ran = with_passphrase(&broker.home, &["backup"], &nowhere, &[]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot write"), "{ran:?}");
    nothing_has_left(&broker);
    // What is no regular file is not replaced, and no option says that it could be.
    let at = |name: &str| broker.home.path().join(name);
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("file"), "mine\n").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    let mut there = vec![at("fifo"), at("directory"), at("link"), "/dev/null".into()];
    if nix::unistd::geteuid().is_root() {
        let mut make = Command::new("mknod");
        make.arg(at("dev")).args(["c", "1", "3"]);
        let made = make.status().is_ok_and(|status| status.success());
        there.extend(made.then(|| at("dev")));
    }
    for path in there {
        let before = fs::symlink_metadata(&path).unwrap().file_type();
        for command in [&["backup"][..], &["backup", "--force"]] {
            let ran = with_passphrase(&broker.home, command, &path, &[]);
            assert_eq!(ran.code(), Some(1), "{ran:?}");
            assert!(ran.stderr.contains("not a regular file"), "{ran:?}");
            assert!(!ran.stderr.contains("--force"), "{ran:?}");
        }
        assert_eq!(fs::symlink_metadata(&path).unwrap().file_type(), before);
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "mine\n");
    nothing_has_left(&broker);
    // A file that is there stays unless it is said otherwise, and then it is closed to others.
    fs::write(&file, "mine\n").unwrap();
    let ran = back_up(&broker.home);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("exists already"), "{ran:?}");
    assert!(ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n");
    nothing_has_left(&broker);
    with_passphrase(&broker.home, &["backup", "--force"], &file, &[]).success();
    verify(&broker.home, &file).success();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

/// The second time files may grow to 4 KiB, which is the same as a full disk.
#[test]
fn a_dash_is_stdout_and_what_comes_out_is_the_backup_and_a_disk_that_is_full_leaves_no_file() {
    let broker = TestBroker::with_label_sync();
    let file = backup_of(&broker.home);
    let mut command = broker.home.command("sh".as_ref());
    command.args(["-c", "file=$1; shift; exec \"$@\" > \"$file\"", "sh"]);
    command.arg(&file).arg(binaries::tokenctl());
    command.args(["backup", "-", "--passphrase-file", "-"]);
    let ran = Ran::with_input(&mut command, PASSPHRASE);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let sha256 = broker.home.records_of("vault.backed_up")[0]["sha256"].clone();
    assert!(ran.stderr.contains(sha256.as_str().unwrap()), "{ran:?}");
    verify(&broker.home, &file).success();
    let ran = with_passphrase(&broker.home, &["backup"], Path::new("-"), &["--json"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");

    fs::remove_file(&file).unwrap();
    let mut command = broker.home.command("sh".as_ref());
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
    command.arg(binaries::tokenctl()).arg("backup").arg(&file);
    let ran = Ran::with_input(command.args(["--passphrase-file", "-"]), PASSPHRASE);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot write"), "{ran:?}");
    let left = fs::read_dir(broker.home.path()).unwrap();
    let left = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().contains("backup")
    });
    assert_eq!(left.count(), 0);
    // The record of what may have left stays.
    assert_eq!(broker.home.records_of("vault.backed_up").len(), 2);
}

/// Each fault of a file has words of its own, and neither command uses it.
#[test]
fn a_file_that_is_no_sound_backup_is_refused_by_what_is_wrong_with_it() {
    let broker = backed_up();
    let sound = fs::read(backup_of(&broker.home)).unwrap();
    let file = broker.home.path().join("other.backup");
    let altered = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    let newer = {
        let mut bytes = sound.clone();
        bytes[15] = 3;
        bytes
    };
    for (content, words) in [
        (b"SQLite format 3\0".to_vec(), "this is not a backup"),
        (Vec::new(), "this is not a backup"),
        (newer, "has format 3 and this tokend knows 2"),
        (sound[..sound.len() - 1].to_vec(), "is cut off"),
        (sound[..50].to_vec(), "is cut off"),
        (altered(20), "was altered at byte 0"),
        (altered(200), "was altered at byte 112"),
        (altered(sound.len() - 1), "was altered at byte"),
        ([&sound[..], b"x"].concat(), "was altered: it has"),
    ] {
        fs::write(&file, content).unwrap();
        let ran = verify(&broker.home, &file);
        assert_eq!(ran.code(), Some(8), "{words}: {ran:?}");
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        let elsewhere = Home::new();
        let ran = restore(&elsewhere, &file);
        assert_eq!(ran.code(), Some(8), "{words}: {ran:?}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
    let file = backup_of(&broker.home);
    let verify = ["backup", "--verify", file.to_str().unwrap()];
    let verify = [&verify[..], &["--passphrase-file", "-"]].concat();
    let ran = broker.home.ctl_with(&verify, "another passphrase");
    assert_eq!(ran.code(), Some(8), "{ran:?}");
    assert!(ran.stderr.contains("not the passphrase of this backup"));
    assert!(!ran.stderr.contains("another passphrase"), "{ran:?}");
    fs::remove_file(&file).unwrap();
    let ran = super::verify(&broker.home, &file);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
}

#[test]
fn where_a_vault_is_nothing_is_restored_and_nothing_touched() {
    let broker = backed_up();
    let file = backup_of(&broker.home);
    let elsewhere = TestBroker::with_label_sync().stop();
    let places = elsewhere.places.clone();
    let untouched = || {
        let listing = Command::new("sh")
            .args([
                "-c",
                "find . -type f ! -name trace | sort | xargs sha256sum",
            ])
            .current_dir(elsewhere.path())
            .output();
        String::from_utf8(listing.unwrap().stdout).unwrap()
    };
    let before = untouched();
    let ran = restore(&elsewhere, &file);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    for path in [&places.vault, &places.audit] {
        let fix = format!("mv {0} {0}.before-restore", path.display());
        assert!(ran.stderr.contains(&fix), "{ran:?}");
    }
    assert_eq!(untouched(), before);
    // While a broker runs there, that is said instead.
    let running = elsewhere.start();
    let ran = restore(&running.home, &file);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("in use by another tokend"), "{ran:?}");
}
