//! A new root key, with real processes: it opens everything, and no lease waits for it. In the modules
//! below: it moves from keeper to keeper, and a `kill -9` at any step leaves a vault that opens.

mod keepers;
mod killed;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use support::broker::MANY_LEASES;
use support::{Home, TestBroker, canary};

const ASK: &str = r#"{"purpose":"label-sync"}"#;

/// A broker with so many secrets besides the one behind `label-sync`.
fn with_secrets(more: usize) -> TestBroker {
    let home = Home::ready();
    home.config(MANY_LEASES);
    fill(home.start(), more)
}

fn fill(broker: TestBroker, more: usize) -> TestBroker {
    set(&broker, "org-label-sync-token", canary::CLASSIC);
    for number in 0..more {
        set(&broker, &format!("more-{number}"), canary::CLASSIC_TWO);
    }
    broker
}

fn set(broker: &TestBroker, name: &str, value: &str) {
    let body = json!({ "value": value }).to_string();
    let answer = broker.http("PUT", &format!("/v1/secrets/{name}"), &body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[track_caller]
fn assert_serves(broker: &TestBroker) {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["token"], canary::CLASSIC);
}

fn in_force(broker: &TestBroker) -> Value {
    broker.http("GET", "/v1/status", "").json()["broker"]["root_key_in_force"].clone()
}

fn version(broker: &TestBroker) -> u64 {
    in_force(broker)["version"].as_u64().unwrap()
}

fn next_key(home: &Home) -> PathBuf {
    home.places.root_key.with_extension("key.next")
}

/// Every announcement has exactly one outcome, and each outcome is of one announcement.
#[track_caller]
fn assert_all_told(home: &Home) {
    let seqs = |kind, field: &str| -> Vec<u64> {
        let records = home.records_of(kind);
        records.iter().map(|r| r[field].as_u64().unwrap()).collect()
    };
    let announced = seqs("vault.rekeying", "seq");
    let mut told = seqs("vault.rekeyed", "announced");
    told.extend(seqs("vault.rekey_failed", "announced"));
    told.sort_unstable();
    told.dedup();
    for told in &told {
        assert!(announced.contains(told), "{told} was never announced");
    }
    // A broker killed between the record and the vault's own note of it has nothing to finish.
    assert!(announced.len() - told.len() <= 1, "{announced:?} {told:?}");
}

#[test]
fn a_new_root_key_opens_everything_and_the_old_one_nothing() {
    let broker = with_secrets(20);
    let old = fs::read(&broker.home.places.root_key).unwrap();
    let said = broker.home.ctl(&["rekey"]).success();
    assert!(
        said.contains("version 2 of the root key, from the file; 21 data keys"),
        "{said}"
    );
    assert_serves(&broker);
    assert_ne!(fs::read(&broker.home.places.root_key).unwrap(), old);
    assert!(!next_key(&broker.home).exists());
    let announced = broker.home.records_of("vault.rekeying");
    assert_eq!(
        (&announced[0]["from"], &announced[0]["to"]),
        (&json!("file"), &json!("file"))
    );
    assert!(announced[0]["by"]["uid"].is_number());
    let outcome = &broker.home.records_of("vault.rekeyed")[0];
    assert_eq!(outcome["announced"], announced[0]["seq"]);
    assert_eq!(outcome["data_keys"], 21);
    // 21 data keys, and three keys of the vault's own.
    assert_eq!(in_force(&broker)["seals"], 24);
    let home = broker.stop();
    home.ctl(&["audit", "verify"]).success();

    let new = fs::read(&home.places.root_key).unwrap();
    fs::write(&home.places.root_key, old).unwrap();
    let broker = home.start();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    assert!(broker.home.trace().contains("does not fit the vault"));
    fs::write(&broker.home.places.root_key, new).unwrap();
    broker.home.ctl(&["unlock"]).success();
    assert_serves(&broker);
}

#[test]
fn no_lease_fails_while_root_keys_change_and_secrets_are_set() {
    let broker = with_secrets(100);
    let done = AtomicBool::new(false);
    let (taken, changed) = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_serves(&broker);
                        taken += 1;
                    }
                    taken
                })
            })
            .collect();
        let setter = scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                set(&broker, &format!("late-{number}"), canary::CLASSIC_TWO);
                number += 1;
            }
            number
        });
        for _ in 0..5 {
            let answer = broker.http("POST", "/v1/rekey", "");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        done.store(true, Ordering::Relaxed);
        let taken: u32 = clients.into_iter().map(|c| c.join().unwrap()).sum();
        (taken, setter.join().unwrap())
    });
    assert!(
        taken > 10 && changed > 0,
        "{taken} leases, {changed} secrets"
    );
    assert_eq!(version(&broker), 6);
    let broker = broker.kill().start();
    assert_serves(&broker);
    // All that was set meanwhile is under the newest key, or this would say which is not.
    broker.home.ctl(&["rekey"]).success();
}

#[test]
fn of_two_at_once_one_is_refused_or_both_follow_each_other() {
    let broker = with_secrets(200);
    let answers: Vec<_> = thread::scope(|scope| {
        let one = || scope.spawn(|| broker.http("POST", "/v1/rekey", ""));
        let both: Vec<_> = (0..6).map(|_| one()).collect();
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(answer.json()["code"], "conflict");
    }
    assert_eq!(version(&broker), 1 + done as u64);
    assert_serves(&broker);
    assert_all_told(&broker.home);
}

#[test]
fn a_locked_store_is_not_rekeyed() {
    let broker = TestBroker::with_label_sync();
    broker.home.ctl(&["lock"]).success();
    let ran = broker.home.ctl(&["rekey"]);
    assert_eq!(ran.code(), Some(5), "{ran:?}");
    assert!(ran.stderr.contains("tokenctl unlock"), "{ran:?}");
    assert!(broker.home.records_of("vault.rekeying").is_empty());
    broker.home.ctl(&["unlock"]).success();
    assert_eq!(version(&broker), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_mend() {
    let broker = TestBroker::with_label_sync();
    let ctl = |arguments: &[&str], input: &str, code, says: &str| {
        let ran = broker
            .home
            .ctl_with(&[&["rekey"], arguments].concat(), input);
        assert_eq!(ran.code(), Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    };
    ctl(&["--root-key", "hsm"], "", 2, "possible values");
    ctl(&["--root-key", "keyring"], "", 7, "keyring");
    ctl(
        &["--root-key", "passphrase"],
        "short\n",
        2,
        "at least 12 characters",
    );
    ctl(&["--root-key", "passphrase"], "\n", 2, "empty");
    ctl(
        &["--root-key", "credential"],
        "",
        75,
        "run the commands above as root",
    );
    let useless = broker.http("POST", "/v1/rekey", r#"{"passphrase":"of no use here"}"#);
    assert_eq!(useless.status, 400, "{useless:?}");
    let why = useless.json()["detail"].to_string();
    assert!(why.contains("of use only with"), "{why}");
    let waits = broker.home.ctl(&["rekey", "--root-key", "credential"]);
    assert!(
        waits
            .stdout
            .contains("systemd-creds encrypt --name=tokend-root-key"),
        "{waits:?}"
    );
    assert_eq!(version(&broker), 1);
    assert!(!next_key(&broker.home).exists());
    assert_serves(&broker);
    assert_all_told(&broker.home);
}
