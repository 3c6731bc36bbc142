//! The kill switch: what it ends, also when GitHub is down and when the log cannot be written.

use std::fs;
use std::thread;

use serde_json::json;
use support::broker::own_uid;
use support::github::Fault;
use support::scenes::app::{lock_and_revoke, revoked_by_us, status_of, take_raw, take_two};
use support::scenes::log::last_segment;
use support::wait;

use super::{END, OLD_TOKEN, Setting};

#[test]
fn every_lease_ends_and_every_token_is_dead_and_what_cannot_end_is_named() {
    let setting = Setting::new();
    let [one, two] = take_two(&setting.broker);
    let shares = setting.take(&json!({"repositories": ["acme/one"]}));
    assert_eq!(shares["token"], one["token"]);
    let raw = take_raw(&setting.broker);
    assert_eq!(raw["token"], OLD_TOKEN);

    let revoked = lock_and_revoke(&setting.broker);
    assert_eq!(revoked["leases"].as_array().unwrap().len(), 4);
    assert_eq!(revoked["tokens_ended"].as_array().unwrap().len(), 2);
    assert_eq!(revoked["tokens_pending"], json!([]));
    assert_eq!(revoked["leases_at_unlock"], 0);
    assert_eq!(revoked["recorded"], true);
    assert!(!setting.alive(&one) && !setting.alive(&two));
    let still = &revoked["raw"].as_array().unwrap()[..];
    assert_eq!(still.len(), 1);
    assert_eq!(still[0]["secret"], "acme-import-old-token");
    assert_eq!(still[0]["purpose"], "acme-by-hand");
    assert_eq!(still[0]["uid"], own_uid());
    let hint = still[0]["hint"].as_str().unwrap();
    assert!(
        hint.contains("tokenctl rotate acme-import-old-token"),
        "{hint}"
    );
    assert_eq!(setting.read(&raw, "/user").status, 200, "as it says");

    let refused = setting.broker.lease(r#"{"purpose":"acme-by-hand"}"#);
    assert_eq!(refused.json()["code"], "locked");
    for lease in [&one, &two, &shares, &raw] {
        assert_eq!(status_of(&setting.broker, lease), 404);
    }
    assert_eq!(revoked_by_us(&setting.broker.home), 4);
    let dead = setting.broker.home.records_of("token.revoked");
    assert!(dead.len() == 2 && dead.iter().all(|end| end["by"]["uid"] == own_uid()));
    assert_eq!(setting.broker.home.records_of("vault.locked").len(), 1);

    setting.broker.unlock();
    let again = setting.take(&json!({"repositories": ["acme/one"]}));
    assert_ne!(again["token"], one["token"]);
    assert!(setting.alive(&again));
    setting.broker.assert_log_verifies();
}

#[test]
fn with_github_down_the_store_is_locked_and_the_rest_ends_after_the_unlock() {
    let setting = Setting::new();
    let [one, two] = take_two(&setting.broker);
    setting.github.fault(Fault::on(END).close_before());
    let revoked = lock_and_revoke(&setting.broker);
    let pending = revoked["tokens_pending"].as_array().unwrap().clone();
    assert_eq!(pending.len(), 2);
    assert_eq!(setting.broker.http("GET", "/readyz", "").status, 503);
    assert_eq!(
        revoked_by_us(&setting.broker.home),
        2,
        "here, they have ended"
    );
    assert!(setting.alive(&one) && setting.alive(&two), "as it says");

    setting.github.heal();
    let broker = &setting.broker;
    broker.unlock();
    broker.until(|| !setting.alive(&one) && !setting.alive(&two));
    broker.until(|| broker.home.records_of("token.revoked").len() == 2);
    let dead = setting.broker.home.records_of("token.revoked");
    for token in pending {
        let hashed = &token["hashed_token"];
        assert!(dead.iter().any(|end| end["hashed_credential"] == *hashed));
    }
}

#[test]
fn the_lock_is_in_force_while_github_is_still_asked() {
    let setting = Setting::new();
    let one = setting.take(&json!({}));
    setting.github.fault(Fault::on(END).hold());
    let revoked = thread::scope(|scope| {
        let locking = scope.spawn(|| lock_and_revoke(&setting.broker));
        setting.github.wait_for_calls(END, 1);
        let refused = setting.broker.lease(r#"{"purpose":"acme-import"}"#);
        assert_eq!(refused.json()["code"], "locked");
        assert_eq!(status_of(&setting.broker, &one), 404);
        assert!(setting.alive(&one));
        setting.github.heal();
        locking.join().unwrap()
    });
    // In time, or in the background; never lost.
    wait::until(|| !setting.alive(&one));
    assert_eq!(revoked["leases"].as_array().unwrap().len(), 1);
}

#[test]
fn tokens_of_before_a_restart_are_opened_from_the_vault_before_it_is_locked() {
    let setting = Setting::new();
    let [one, two] = take_two(&setting.broker);
    let setting = setting.killed(|_| {});
    let revoked = lock_and_revoke(&setting.broker);
    assert_eq!(
        revoked["tokens_ended"].as_array().unwrap().len(),
        2,
        "{revoked}"
    );
    assert!(!setting.alive(&one) && !setting.alive(&two));
    let used = setting.broker.home.records_of("secret.used");
    let used = used
        .iter()
        .filter(|used| used["what_for"] == "installation");
    assert_eq!(used.count(), 2);
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing_and_a_restart_revives_nothing() {
    let setting = Setting::new();
    let one = setting.take(&json!({}));
    let raw = take_raw(&setting.broker);
    let segment = last_segment(&setting.broker.home);
    let away = setting.broker.home.path().join("away");
    fs::rename(&segment, &away).unwrap();
    let revoked = lock_and_revoke(&setting.broker);
    assert_eq!(revoked["recorded"], false);
    assert_eq!(
        revoked["tokens_ended"].as_array().unwrap().len(),
        1,
        "{revoked}"
    );
    assert!(!setting.alive(&one));
    assert_eq!(setting.broker.http("GET", "/readyz", "").status, 503);

    let setting = setting.killed(|_| fs::rename(&away, &segment).unwrap());
    for lease in [&one, &raw] {
        assert_eq!(
            status_of(&setting.broker, lease),
            404,
            "the vault remembers"
        );
    }
}

#[test]
fn a_broker_that_starts_without_its_key_ends_what_the_log_holds_at_the_unlock() {
    let setting = Setting::new();
    let one = setting.take(&json!({}));
    let home = &setting.broker.home;
    let key = home.places.root_key.clone();
    let away = home.path().join("away");
    let setting = setting.killed(|_| fs::rename(&key, &away).unwrap());
    let revoked = lock_and_revoke(&setting.broker);
    assert_eq!(revoked["leases_at_unlock"], 1, "{revoked}");
    assert!(setting.alive(&one), "its value is sealed");

    fs::rename(&away, &key).unwrap();
    setting.broker.unlock();
    assert_eq!(status_of(&setting.broker, &one), 404);
    wait::until(|| !setting.alive(&one));
}

#[test]
fn no_lease_that_was_handed_out_before_or_meanwhile_is_live_after_a_quick_unlock() {
    let setting = Setting::new();
    take_raw(&setting.broker);
    let ask = |purpose: &str| {
        let body = json!({"purpose": purpose}).to_string();
        let answer = setting.broker.lease(&body);
        (answer.status == 201).then(|| answer.json()).ok_or(answer)
    };
    let granted = || setting.broker.home.records_of("lease.granted").len();
    for _ in 0..3 {
        let before = granted();
        let handed_out = thread::scope(|scope| {
            let callers = ["acme-by-hand", "acme-import"].map(|purpose| {
                scope.spawn(move || {
                    let mut leases = Vec::new();
                    loop {
                        match ask(purpose) {
                            Ok(lease) => leases.push(lease),
                            Err(answer) => {
                                assert_eq!(answer.json()["code"], "locked", "{answer:?}");
                                return leases;
                            }
                        }
                    }
                })
            });
            wait::until(|| granted() > before + 10);
            lock_and_revoke(&setting.broker);
            let leases = callers.map(|caller| caller.join().unwrap());
            leases.concat()
        });
        setting.broker.unlock();
        for lease in &handed_out {
            assert_eq!(status_of(&setting.broker, lease), 404, "{}", lease["lease"]);
        }
        let list = setting.broker.http("GET", "/v1/leases", "").json();
        assert_eq!(list["leases"], json!([]));
    }
}
