//! Killed at any step, a backup leaves no half file, and a restore nothing or the whole.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use broker_vault::Vault;
use broker_vault::root_key::{KeyLocations, Keyring};
use support::wait::until;
use support::{binaries, kills, needs, strace};

use super::*;

/// The system calls by which something is put on disk, or taken away.
const STEPS: &[&str] = &[
    "mkdir",
    "linkat",
    "rename",
    "unlink",
    "unlinkat",
    "rmdir",
    "fsync",
    "fdatasync",
    "pwrite64",
];

/// Runs a program that is killed when it begins this call for the `n`th time. `None` if it came to its
/// end before that.
fn killed_at(home: &Home, program: &Path, arguments: &[&str], call: &str, n: usize) -> Option<()> {
    let mut command = strace::killed_at(home, program, arguments, call, n);
    let ran = Ran::with_input(&mut command, PASSPHRASE);
    if ran.status.success() {
        return None;
    }
    assert_eq!(ran.status.signal(), Some(9), "{call} {n}: {ran:?}");
    Some(())
}

fn key_locations(home: &Home) -> KeyLocations {
    KeyLocations {
        key_file: home.places.root_key.clone(),
        credentials: None,
        keyring: Keyring::SESSION,
    }
}

#[test]
fn a_restore_killed_at_any_step_leaves_nothing_or_the_whole_and_a_second_one_ends_well() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let broker = backed_up();
    let file = backup_of(&broker.home);
    let arguments = ["restore", file.to_str().unwrap(), "--passphrase-file", "-"];
    let tokend = binaries::tokend();
    let undisturbed = Home::new();
    let lasts = strace::counts(&undisturbed, &tokend, &arguments, STEPS, PASSPHRASE);
    let again = restore(&undisturbed, &file);
    assert_eq!(again.code(), Some(1), "a second one refuses: {again:?}");
    let mut kills = 0;
    for (call, last) in STEPS.iter().zip(lasts) {
        for n in kills::of(last).map(|place| place + 1) {
            let how = format!("killed at {call} {n}");
            let home = Home::new();
            let killed = killed_at(&home, &tokend, &arguments, call, n);
            assert!(killed.is_some(), "{how}: it was not");
            let whole = home.places.vault.exists();
            let again = restore(&home, &file);
            let cleared = !home.path().join("restoring").exists();
            assert!(cleared, "{how}: {again:?}");
            // Either it is finished now, or it was finished then, to the last step.
            let refused = whole && again.stderr.contains("vault.db (a vault)");
            assert!(again.status.success() || refused, "{how}: {again:?}");
            assert!(home.places.vault.exists(), "{how}");
            assert_eq!(home.records_of("vault.restored").len(), 1, "{how}");
            // Vault, key and log belong together; and once for each call a broker says so itself.
            let vault = Vault::open(&home.places.vault).unwrap();
            let key = vault.fetch_root_key(&key_locations(&home)).unwrap();
            vault.unlock(key).unwrap();
            assert_eq!(vault.list().len(), 1, "{how}");
            let noted = vault.noted_head().unwrap().records;
            assert_eq!(home.records().len() as u64, noted, "{how}");
            let log_id = &home.records_of("log.opened")[0]["log_id"];
            assert_eq!(*log_id, vault.log_identity().log_id, "{how}");
            drop(vault);
            if n == 1 {
                goes_on(home);
            }
            kills += 1;
        }
    }
    assert!(kills * kills::step() > 15, "{kills}");
}

#[test]
fn tokenctl_killed_at_any_step_of_a_backup_leaves_no_file_or_a_whole_one() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let file = backup_of(&broker.home);
    let arguments = ["backup", file.to_str().unwrap(), "--passphrase-file", "-"];
    let mut kills = 0;
    for call in ["write", "fsync", "linkat", "unlink"] {
        for n in kills::of(4).map(|place| place + 1) {
            let killed = killed_at(&broker.home, &binaries::tokenctl(), &arguments, call, n);
            if file.exists() {
                verify(&broker.home, &file).success();
                fs::remove_file(&file).unwrap();
            } else {
                assert!(killed.is_some(), "{call} {n}");
            }
            if killed.is_none() {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 4, "{kills}");
}

#[test]
fn a_broker_killed_while_it_makes_a_backup_leaves_a_record_and_no_half_file() {
    let mut broker = TestBroker::with_label_sync();
    for round in 1..=3 {
        let file = backup_of(&broker.home);
        let mut command: Command = broker.home.tokenctl();
        command.arg("backup").arg(&file);
        let passphrase = broker.home.path().join("passphrase");
        fs::write(&passphrase, PASSPHRASE).unwrap();
        let mut tokenctl = command
            .arg("--passphrase-file")
            .arg(&passphrase)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        fs::remove_file(&passphrase).ok();
        if round > 1 {
            until(|| {
                let made = broker.home.records_of("vault.backed_up").len();
                made > 0 || matches!(tokenctl.try_wait(), Ok(Some(_)))
            });
        }
        let home = broker.kill();
        let written = tokenctl.wait().unwrap().success();
        assert_eq!(written, file.exists(), "round {round}");
        if written {
            assert!(!home.records_of("vault.backed_up").is_empty());
            verify(&home, &file).success();
            fs::remove_file(&file).unwrap();
        }
        broker = goes_on(home);
    }
}
