//! A vault of another version, with another key, or of yesterday.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use support::canary;

use super::super::in_process::{PASSPHRASE, ready_behind_a_passphrase};
use super::*;

/// Where SQLite keeps `PRAGMA user_version`, big-endian.
const USER_VERSION: u64 = 60;

/// Why the store stays locked.
#[track_caller]
fn unlock_refused(broker: &InProcess) -> String {
    let answer = broker.http("POST", "/v1/unlock", "");
    assert!(answer.status >= 400, "{answer:?}");
    answer.json().to_string()
}

fn set_user_version(vault: &Path, version: u32) {
    let mut file = fs::OpenOptions::new().write(true).open(vault).unwrap();
    file.seek(SeekFrom::Start(USER_VERSION)).unwrap();
    file.write_all(&version.to_be_bytes()).unwrap();
}

#[test]
fn a_vault_of_a_newer_version_is_refused_and_not_changed() {
    let home = InProcess::with_label_sync().stop();
    set_user_version(&home.places.vault, 99);
    let before = fs::read(&home.places.vault).unwrap();
    let home = refused(home, &["format 99", "newer tokend"]);
    assert_eq!(fs::read(&home.places.vault).unwrap(), before);
    set_user_version(&home.places.vault, 6);
    lease(&InProcess::start(home));
}

#[test]
fn with_a_key_that_does_not_fit_the_broker_stays_locked_and_says_so() {
    let broker = InProcess::with_label_sync();
    let held = lease(&broker);
    let home = broker.stop();
    let other = ready();
    let own_key = fs::read(&home.places.root_key).unwrap();
    let wrong = fs::read(&other.places.root_key).unwrap();
    fs::write(&home.places.root_key, wrong).unwrap();

    let broker = InProcess::start(home);
    let does_not_fit = ["does not fit the vault", "put back the key"];
    says(&broker.home.trace(), &does_not_fit);
    says(&not_ready(&broker).unwrap(), &["locked"]);
    no_token(&broker, "locked", &["tokenctl unlock"]);
    assert_eq!(live(&broker), [""; 0], "while locked no lease is honoured");
    says(&unlock_refused(&broker), &does_not_fit);

    fs::write(&broker.home.places.root_key, own_key).unwrap();
    broker.unlock();
    assert_eq!(live(&broker), [held]);
    assert!(not_ready(&broker).is_none());
}

#[test]
fn a_key_file_that_is_gone_or_open_to_others_leaves_the_broker_locked_with_the_fix() {
    let home = InProcess::with_label_sync().stop();
    fs::set_permissions(&home.places.root_key, fs::Permissions::from_mode(0o644)).unwrap();
    let broker = InProcess::start(home);
    says(&broker.home.trace(), &["root.key", "chmod 0600"]);
    no_token(&broker, "locked", &[]);
    says(&unlock_refused(&broker), &["root.key", "chmod 0600"]);
    let key = broker.home.places.root_key.clone();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    broker.unlock();
    lease(&broker);

    let home = broker.stop();
    fs::rename(&key, home.path().join("elsewhere")).unwrap();
    let broker = InProcess::start(home);
    assert!(!key.exists(), "no new key is made for a vault that exists");
    no_token(&broker, "locked", &[]);
    fs::rename(broker.home.path().join("elsewhere"), &key).unwrap();
    broker.unlock();
    lease(&broker);
}

#[test]
fn a_wrong_passphrase_is_refused_and_recorded_and_the_right_one_unlocks() {
    let broker = InProcess::start(ready_behind_a_passphrase());
    no_token(&broker, "locked", &[]);
    let wrong = json!({ "passphrase": "incorrect horse" }).to_string();
    let answer = broker.http("POST", "/v1/unlock", &wrong);
    assert_eq!(answer.json()["code"], "locked", "{answer:?}");
    says(&answer.json().to_string(), &["passphrase"]);
    assert!(!answer.json().to_string().contains("incorrect horse"));
    let refused = broker.home.records_of("vault.unlock_refused");
    assert_eq!(refused.len(), 1);
    assert!(!refused[0].to_string().contains("horse"));
    assert_eq!(broker.lease(ASK).status, 503);

    let right = json!({ "passphrase": PASSPHRASE }).to_string();
    broker.done("POST", "/v1/unlock", &right);
    broker.set("org-label-sync-token", canary::CLASSIC);
    let held = lease(&broker);
    let broker = broker.killed(|_| {});
    assert_eq!(live(&broker), [""; 0]);
    broker.done("POST", "/v1/unlock", &right);
    assert_eq!(live(&broker), [held]);
}

#[test]
fn a_vault_put_back_to_before_a_removal_does_not_bring_the_secret_back() {
    for locked_first in [false, true] {
        let home = InProcess::with_label_sync().stop();
        let yesterday = fs::read(&home.places.vault).unwrap();
        let broker = InProcess::start(home);
        broker.done("DELETE", "/v1/secrets/org-label-sync-token", "");
        let mut home = broker.stop();
        fs::write(&home.places.vault, yesterday).unwrap();
        if locked_first {
            // A broker without its key cannot erase it, and must not forget that it is to.
            let (key, away) = (home.places.root_key.clone(), home.path().join("away"));
            fs::rename(&key, &away).unwrap();
            home = InProcess::start(home).stop();
            fs::rename(&away, &key).unwrap();
        }
        let broker = InProcess::start(home);
        assert_eq!(broker.lease(ASK).json()["code"], "secret_missing");
        let removed = broker.home.records_of("secret.removed");
        let by: Vec<_> = removed.iter().map(|record| &record["by"]["uid"]).collect();
        assert!(by.len() == 2 && by[0].is_number() && by[1].is_null());

        // Set again, it stays.
        broker.set("org-label-sync-token", canary::CLASSIC_TWO);
        let broker = broker.killed(|_| {});
        assert_eq!(broker.lease(ASK).json()["token"], canary::CLASSIC_TWO);
    }
}
