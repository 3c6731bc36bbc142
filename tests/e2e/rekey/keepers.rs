//! Where the root key is kept, and who is asked for it.

use std::fs;
use std::path::Path;

use broker::commands::init::{AuditLogChoice, InitOptions, PassphraseFor, init};
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource};
use support::{Home, TestBroker};

use super::{ASK, assert_all_have_outcomes, assert_serves, in_force};

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
    // It is not typed for this, so no one may believe to have changed it.
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
    fs::write(credentials.join("tokend-root-key"), "a5".repeat(32)).unwrap();
    fs::write(credentials.join("tokend-root-key-5"), "5a".repeat(32)).unwrap();
    let start = |home| {
        TestBroker::start(home, |command| {
            command.env("CREDENTIALS_DIRECTORY", &credentials);
        })
    };
    let broker = start(home);
    broker.home.ctl_with(&["unlock"], PASSPHRASE).success();
    let ran = broker.home.ctl(&["rekey", "--root-key", "credential"]);
    for says in [
        "left to do: the next start reads the credential `tokend-root-key-5` again",
        "tokenctl rekey --root-key passphrase",
    ] {
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
    let broker = start(broker.kill());
    assert_serves(&broker);
    let ran = broker.home.ctl(&["rekey"]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert!(ran.stdout.contains("--name=tokend-root-key-6"), "{ran:?}");
    let ran = broker.home.ctl(&["rekey", "--root-key", "file"]);
    assert!(ran.stderr.contains("left to do: the credential"), "{ran:?}");
    let broker = broker.kill().start();
    assert_serves(&broker);
    assert_all_have_outcomes(&broker.home);
}

fn made_by(source: RootKeySource, credentials: Option<&Path>, day: &str) -> Home {
    let type_it = |asked: PassphraseFor| {
        Ok((asked == PassphraseFor::Recovery).then(|| Passphrase::new(PASSPHRASE.to_owned())))
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
fn a_root_key_that_is_due_and_takes_the_operator_is_warned_of() {
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
