//! A new root key opens everything, and no lease waits for it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::broker::MANY_LEASES;
use support::http::Answer;
use support::{Home, canary, wait};

use super::InProcess;
use super::in_process::{PASSPHRASE, ready, ready_to_recover};

const ASK: &str = r#"{"purpose":"label-sync"}"#;

/// A broker with so many secrets besides the one behind `label-sync`.
fn with_secrets(home: Home, more: usize) -> InProcess {
    let broker = InProcess::start(home);
    broker.set("org-label-sync-token", canary::CLASSIC);
    for number in 0..more {
        broker.set(&format!("more-{number}"), canary::CLASSIC_TWO);
    }
    broker
}

fn many_leases() -> Home {
    let home = ready();
    home.config(MANY_LEASES);
    home
}

#[track_caller]
fn assert_serves(broker: &InProcess) {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["token"], canary::CLASSIC);
}

fn in_force(broker: &InProcess) -> Value {
    broker.http("GET", "/v1/status", "").json()["broker"]["root_key_in_force"].clone()
}

/// Every announcement has exactly one outcome, and each outcome is of one announcement.
#[track_caller]
fn assert_all_have_outcomes(home: &Home) {
    let seqs = |kind, field: &str| -> Vec<u64> {
        let records = home.records_of(kind);
        records.iter().map(|r| r[field].as_u64().unwrap()).collect()
    };
    let mut ended = seqs("vault.rekeyed", "announced");
    ended.extend(seqs("vault.rekey_failed", "announced"));
    ended.sort_unstable();
    assert_eq!(ended, seqs("vault.rekeying", "seq"));
}

#[test]
fn a_new_root_key_opens_everything_and_the_old_one_nothing() {
    let broker = with_secrets(ready(), 20);
    let key_file = broker.home.places.root_key.clone();
    let old = fs::read(&key_file).unwrap();
    let done = broker.done("POST", "/v1/rekey", "").json();
    assert_eq!(
        (&done["root_key"], &done["version"]),
        (&json!("file"), &json!(2))
    );
    assert_eq!(done["data_keys"], 21);
    assert_serves(&broker);
    assert_ne!(fs::read(&key_file).unwrap(), old);
    assert!(!key_file.with_extension("key.next").exists());
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
    broker.assert_log_verifies();

    let new = fs::read(&key_file).unwrap();
    fs::write(&key_file, old).unwrap();
    let broker = broker.restarted();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    let refused = broker.http("POST", "/v1/unlock", "").json().to_string();
    assert!(refused.contains("does not fit the vault"), "{refused}");
    fs::write(&key_file, new).unwrap();
    broker.unlock();
    assert_serves(&broker);
}

#[test]
fn no_lease_fails_while_root_keys_change_and_secrets_are_set() {
    let broker = with_secrets(many_leases(), 50);
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
                broker.set(&format!("late-{number}"), canary::CLASSIC_TWO);
                number += 1;
            }
            number
        });
        for _ in 0..5 {
            broker.done("POST", "/v1/rekey", "");
        }
        done.store(true, Ordering::Relaxed);
        let taken: u32 = clients.into_iter().map(|c| c.join().unwrap()).sum();
        (taken, setter.join().unwrap())
    });
    assert!(
        taken > 10 && changed > 0,
        "{taken} leases, {changed} secrets"
    );
    assert_eq!(in_force(&broker)["version"], 6);
    let broker = broker.killed(|_| {});
    assert_serves(&broker);
    // All that was set meanwhile is under the newest key, or this would say which is not.
    broker.done("POST", "/v1/rekey", "");
}

#[test]
fn of_two_at_once_one_is_refused_or_both_follow_each_other() {
    let broker = with_secrets(ready(), 50);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let one = || scope.spawn(|| broker.http("POST", "/v1/rekey", ""));
        let all: Vec<_> = (0..6).map(|_| one()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(answer.json()["code"], "conflict");
    }
    assert_eq!(in_force(&broker)["version"], 1 + done as u64);
    assert_serves(&broker);
    assert_all_have_outcomes(&broker.home);
}

#[test]
fn a_locked_store_is_not_rekeyed() {
    let broker = InProcess::with_label_sync();
    broker.lock();
    let refused = broker.http("POST", "/v1/rekey", "");
    assert_eq!(refused.json()["code"], "locked", "{refused:?}");
    assert!(broker.home.records_of("vault.rekeying").is_empty());
    broker.unlock();
    assert_eq!(in_force(&broker)["version"], 1);
}

#[test]
fn a_wrong_passphrase_is_locked_and_a_next_key_that_cannot_be_kept_a_conflict() {
    let broker = with_secrets(ready_to_recover(), 0);
    for (body, code) in [
        (json!({ "recovery": "incorrect horse" }), "locked"),
        (json!({ "root_key": "keyring" }), "conflict"),
    ] {
        let refused = broker.http("POST", "/v1/rekey", &body.to_string());
        assert_eq!(refused.json()["code"], code, "{refused:?}");
    }
    assert_eq!(in_force(&broker)["version"], 1);
    assert_serves(&broker);
}

#[test]
fn the_recovery_passphrase_opens_the_vault_after_a_re_key_without_it() {
    let broker = with_secrets(ready_to_recover(), 0);
    broker.done("POST", "/v1/rekey", "");
    fs::remove_file(&broker.home.places.root_key).unwrap();
    let broker = broker.restarted();
    assert_eq!(broker.lease(ASK).json()["code"], "locked");
    let passphrase = json!({ "passphrase": PASSPHRASE }).to_string();
    broker.done("POST", "/v1/unlock", &passphrase);
    assert_serves(&broker);
}

#[test]
fn a_root_key_that_is_due_changes_by_itself() {
    let home = ready();
    home.config("[root_key]\nrekey_every = \"30d\"\n");
    let broker = with_secrets(home, 0);
    broker.clock.advance(Duration::from_secs(29 * 24 * 3600));
    broker.round();
    assert_eq!(in_force(&broker)["version"], 1);
    broker.clock.advance(Duration::from_secs(2 * 24 * 3600));
    wait::until(|| in_force(&broker)["version"] == 2);
    wait::until(|| !broker.home.records_of("vault.rekeyed").is_empty());
    let announced = broker.home.records_of("vault.rekeying");
    assert!(announced[0].get("by").is_none());
    let key = in_force(&broker);
    assert_eq!(
        (&key["rekey_every"], &key["needs"]),
        (&json!(2_592_000), &Value::Null)
    );
    assert!(key["deadline"].is_string());
    assert_serves(&broker);
}
