//! Where the root key is kept, and who is asked for it.

use std::fs;
use std::path::Path;

use broker::commands::init::{Asked, AuditLogChoice, InitOptions, init};
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource};
use serde_json::{Value, json};
use support::{Home, TestBroker, wait};

use super::{ASK, assert_all_told, assert_serves, fill, in_force, version};

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn the_key_moves_from_a_file_to_a_passphrase_to_a_credential_and_back() {
    let broker = TestBroker::with_label_sync();
    let to_passphrase = ["rekey", "--root-key", "passphrase"];
    broker.home.ctl_with(&to_passphrase, PASSPHRASE).success();
    assert!(!broker.home.places.root_key.exists(), "the file is erased");
    assert_serves(&broker);
    let broker = broker.kill().start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    broker.home.ctl_with(&["unlock"], PASSPHRASE).success();
    // Nobody types it for this, and nobody may think to have changed it.
    broker.home.ctl(&["rekey"]).success();
    broker.home.ctl(&to_passphrase).success();
    let ran = broker
        .home
        .ctl_with(&to_passphrase, "another horse battery\n");
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    assert!(ran.stderr.contains("keeps that one"), "{ran:?}");
    let home = broker.stop();
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("tokend-root-key"), "5a".repeat(32)).unwrap();
    let start = |home| {
        TestBroker::start(home, |command| {
            command.env("CREDENTIALS_DIRECTORY", &credentials);
        })
    };
    let broker = start(home);
    broker.home.ctl_with(&["unlock"], PASSPHRASE).success();
    broker
        .home
        .ctl(&["rekey", "--root-key", "credential"])
        .success();
    let broker = start(broker.kill());
    assert_serves(&broker);
    let ran = broker.home.ctl(&["rekey"]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert!(ran.stdout.contains("--name=tokend-root-key-6"), "{ran:?}");
    let ran = broker.home.ctl(&["rekey", "--root-key", "file"]);
    assert!(ran.stderr.contains("left to do: the credential"), "{ran:?}");
    let broker = broker.kill().start();
    assert_serves(&broker);
    assert_all_told(&broker.home);
}

/// A home whose vault was made by `init` on some day, with a recovery passphrase.
fn made_on(day: &str) -> Home {
    made_by(RootKeySource::File, None, day)
}

fn made_by(source: RootKeySource, credentials: Option<&Path>, day: &str) -> Home {
    let type_it = |asked: Asked| {
        Ok((asked == Asked::Recovery).then(|| Passphrase::new(PASSPHRASE.to_owned())))
    };
    let options = InitOptions {
        root_key: Some(source),
        passphrase: &type_it,
        credentials: credentials.map(Path::to_owned),
        keyring: Keyring::SESSION,
        audit_log: AuditLogChoice::Keep,
    };
    Home::ready_after(|home| {
        init(&home.places, &options, day.parse().unwrap()).unwrap();
    })
}

#[test]
fn the_recovery_passphrase_opens_the_vault_after_a_re_key_without_it() {
    let broker = fill(made_on("2026-11-01T00:00:00Z").start(), 0);
    broker.home.ctl(&["rekey"]).success();
    let home = broker.stop();
    fs::remove_file(&home.places.root_key).unwrap();
    let broker = home.start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    broker
        .home
        .ctl_with(&["unlock", "--passphrase"], PASSPHRASE)
        .success();
    assert_serves(&broker);
}

#[test]
fn a_root_key_that_is_due_changes_by_itself() {
    let home = made_on("2020-01-01T00:00:00Z");
    home.config("[root_key]\nrekey_every = \"30d\"\n");
    let broker = fill(home.start(), 0);
    wait::until(|| version(&broker) == 2);
    wait::until(|| !broker.home.records_of("vault.rekeyed").is_empty());
    assert!(
        broker.home.records_of("vault.rekeying")[0]
            .get("by")
            .is_none()
    );
    let key = in_force(&broker);
    assert_eq!(
        (&key["rekey_every"], &key["needs"]),
        (&json!(2_592_000), &Value::Null)
    );
    assert!(key["deadline"].is_string());
    let shown = broker.home.ctl(&["status"]).success();
    assert!(shown.contains("file, version 2 since"), "{shown}");
    assert_serves(&broker);
}

#[test]
fn a_root_key_that_is_due_and_takes_a_person_is_warned_of() {
    let credentials = tempfile::tempdir().unwrap();
    let key = credentials.path().join("tokend-root-key");
    fs::write(key, "5a".repeat(32)).unwrap();
    let source = "credential".parse().unwrap();
    let home = made_by(source, Some(credentials.path()), "2020-01-01T00:00:00Z");
    home.config("[root_key]\nrekey_every = \"30d\"\n");
    let broker = TestBroker::start(home, |command| {
        command.env("CREDENTIALS_DIRECTORY", credentials.path());
    });
    assert_eq!(in_force(&broker)["needs"], "credential");
    let ran = broker.home.ctl(&["doctor"]);
    for says in [
        "the root key should have been changed by 2020-01-31, ",
        " days ago; run `tokenctl rekey`, which says how",
    ] {
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
    assert!(broker.home.records_of("vault.rekeying").is_empty());
}
