//! A vault of another version, with another key, or of yesterday.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use broker::commands::init::{Asked, AuditLogChoice, InitOptions, init};
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource};
use support::broker::{LABEL_SYNC, SECRETS};
use support::{Home, TestBroker, canary};

use super::{ASK, lease, live, no_token, not_ready, refused, says};

/// Where SQLite keeps `PRAGMA user_version`, big-endian.
const USER_VERSION: u64 = 60;

fn set_user_version(vault: &Path, version: u32) {
    let mut file = fs::OpenOptions::new().write(true).open(vault).unwrap();
    file.seek(SeekFrom::Start(USER_VERSION)).unwrap();
    file.write_all(&version.to_be_bytes()).unwrap();
}

#[test]
fn a_vault_of_a_newer_version_is_refused_and_not_changed() {
    let home = TestBroker::with_label_sync().stop();
    set_user_version(&home.places.vault, 99);
    let before = fs::read(&home.places.vault).unwrap();
    let home = refused(home, &["format 99", "newer tokend"]);
    assert_eq!(fs::read(&home.places.vault).unwrap(), before);
    set_user_version(&home.places.vault, 5);
    lease(&home.start());
}

#[test]
fn with_a_key_that_does_not_fit_the_broker_stays_locked_and_says_so() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let home = broker.stop();
    let other = Home::ready();
    let own_key = fs::read(&home.places.root_key).unwrap();
    let wrong = fs::read(&other.places.root_key).unwrap();
    fs::write(&home.places.root_key, wrong).unwrap();

    let broker = home.start();
    says(
        &broker.home.trace(),
        &["does not fit the vault", "put back the key"],
    );
    says(&not_ready(&broker).unwrap(), &["locked"]);
    no_token(&broker.home, 5, &["locked", "tokenctl unlock"]);
    assert_eq!(live(&broker), [""; 0], "while locked no lease is honoured");
    let ran = broker.home.ctl(&["unlock"]);
    assert_eq!(ran.code(), Some(5), "{ran:?}");
    says(&ran.stderr, &["does not fit the vault"]);

    fs::write(&broker.home.places.root_key, own_key).unwrap();
    broker.home.ctl(&["unlock"]).success();
    assert_eq!(live(&broker), [held]);
    assert!(not_ready(&broker).is_none());
}

#[test]
fn a_key_file_that_is_gone_or_open_to_others_leaves_the_broker_locked_with_the_mend() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = TestBroker::with_label_sync().stop();
    fs::set_permissions(&home.places.root_key, fs::Permissions::from_mode(0o644)).unwrap();
    let broker = home.start();
    says(&broker.home.trace(), &["root.key", "chmod 0600"]);
    no_token(&broker.home, 5, &["locked"]);
    let ran = broker.home.ctl(&["unlock"]);
    says(&ran.stderr, &["chmod 0600"]);
    let key = broker.home.places.root_key.clone();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    broker.home.ctl(&["unlock"]).success();
    lease(&broker);

    let home = broker.stop();
    fs::rename(&key, home.path().join("elsewhere")).unwrap();
    let broker = home.start();
    says(&broker.home.trace(), &["root.key"]);
    assert!(!key.exists(), "no new key is made for a vault that exists");
    no_token(&broker.home, 5, &["locked"]);
    fs::rename(broker.home.path().join("elsewhere"), &key).unwrap();
    broker.home.ctl(&["unlock"]).success();
    lease(&broker);
}

const PASSPHRASE: &str = "correct horse battery";

/// A home whose root key is behind a passphrase, which `init` asks for at a terminal only.
fn behind_a_passphrase() -> Home {
    let home = Home::new();
    let type_it = |_: Asked| Ok(Some(Passphrase::new(PASSPHRASE.to_owned())));
    let options = InitOptions {
        root_key: Some(RootKeySource::Passphrase),
        passphrase: &type_it,
        credentials: None,
        keyring: Keyring::SESSION,
        audit_log: AuditLogChoice::Keep,
    };
    let now = "2026-11-21T07:00:00Z".parse().unwrap();
    init(&home.places, &options, now).unwrap();
    home.policy("secrets.toml", SECRETS);
    let uid = nix::unistd::geteuid().to_string();
    home.policy("label-sync.toml", &LABEL_SYNC.replace("UID", &uid));
    home
}

#[test]
fn a_wrong_passphrase_is_refused_and_recorded_and_the_right_one_unlocks() {
    let broker = behind_a_passphrase().start();
    no_token(&broker.home, 5, &["locked"]);
    let ran = broker.home.ctl_with(&["unlock"], "incorrect horse\n");
    assert_eq!(ran.code(), Some(5), "{ran:?}");
    says(&ran.stderr, &["passphrase"]);
    assert!(!ran.stderr.contains("incorrect horse"));
    let refused = broker.home.records_of("vault.unlock_refused");
    assert_eq!(refused.len(), 1);
    assert!(!refused[0].to_string().contains("horse"));
    assert_eq!(broker.lease(ASK).status, 503);

    let unlock = |home: &Home| home.ctl_with(&["unlock"], PASSPHRASE).success();
    unlock(&broker.home);
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
    let held = lease(&broker);
    let broker = broker.kill().start();
    assert_eq!(live(&broker), [""; 0]);
    unlock(&broker.home);
    assert_eq!(live(&broker), [held]);
}

#[test]
fn a_vault_put_back_to_yesterdays_copy_is_refused() {
    let home = TestBroker::with_label_sync().stop();
    let yesterday = fs::read(&home.places.vault).unwrap();
    let broker = home.start();
    broker
        .home
        .ctl_with(
            &["secret", "set", "org-label-sync-token"],
            canary::CLASSIC_TWO,
        )
        .success();
    let home = broker.stop();
    let today = fs::read(&home.places.vault).unwrap();
    fs::write(&home.places.vault, yesterday).unwrap();
    let home = refused(
        home,
        &[
            "version 2 of `org-label-sync-token`",
            "the vault knows 1",
            "put back the newest copy of the vault",
        ],
    );
    fs::write(&home.places.vault, today).unwrap();
    let answer = home.start().lease(ASK).json();
    assert_eq!(answer["token"], canary::CLASSIC_TWO);
}

#[test]
fn a_vault_put_back_to_before_a_removal_does_not_bring_the_secret_back() {
    for locked_first in [false, true] {
        let home = TestBroker::with_label_sync().stop();
        let yesterday = fs::read(&home.places.vault).unwrap();
        let broker = home.start();
        let remove = ["secret", "remove", "org-label-sync-token", "--yes"];
        broker.home.ctl(&remove).success();
        let mut home = broker.stop();
        fs::write(&home.places.vault, yesterday).unwrap();
        if locked_first {
            // A broker without its key cannot erase it, and must not forget that it is to.
            let (key, away) = (home.places.root_key.clone(), home.path().join("away"));
            fs::rename(&key, &away).unwrap();
            home = home.start().stop();
            fs::rename(&away, &key).unwrap();
        }
        let broker = home.start();
        assert_eq!(broker.lease(ASK).json()["code"], "secret_missing");
        let removed = broker.home.records_of("secret.removed");
        let by: Vec<_> = removed.iter().map(|record| &record["by"]["uid"]).collect();
        assert!(by.len() == 2 && by[0].is_number() && by[1].is_null());

        // Set again, it stays.
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC_TWO).success();
        let broker = broker.kill().start();
        assert_eq!(broker.lease(ASK).json()["token"], canary::CLASSIC_TWO);
    }
}
