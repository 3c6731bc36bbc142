//! One token for several leases: who shares it, and when it ends.

use std::thread;
use std::time::Duration;

use serde_json::json;
use support::wait;

use super::{END, FIND, MINT, Setting};

#[test]
fn sixty_four_callers_at_once_make_one_search_and_one_mint_call() {
    let setting = Setting::new();
    let setting = &setting;
    let tokens: Vec<String> = thread::scope(|scope| {
        let callers: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    setting.take(&json!({}))["token"]
                        .as_str()
                        .unwrap()
                        .to_owned()
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(setting.github.calls(MINT), 1);
    assert_eq!(setting.github.calls(FIND), 1);
    assert_eq!(setting.github.journal().len(), 2);
}

#[test]
fn a_shared_token_is_known_before_the_grant_and_takes_one_record() {
    let setting = Setting::new();
    let first = setting.take(&json!({}));
    let second = setting.take(&json!({}));
    assert_eq!(first["token"], second["token"]);
    let home = &setting.broker.home;
    assert_eq!(home.records_of("lease.issued").len(), 1);
    let granted = home.records_of("lease.granted");
    assert!(granted[0].get("hashed_token").is_none());
    let hashed = support::github::hashed(second["token"].as_str().unwrap());
    assert_eq!(granted[1]["hashed_token"], hashed.as_str());
}

#[test]
fn a_token_lives_as_long_as_a_lease_holds_it_and_no_longer() {
    let setting = Setting::new();
    let first = setting.take(&json!({}));
    let second = setting.take(&json!({"ttl": 60}));
    let ended = setting.revoke(&first, "");
    assert_eq!(ended["token"], "shared");
    assert!(setting.alive(&second));
    let ended = setting.revoke(&second, "");
    assert_eq!(ended["token"], "revoked");
    assert!(!setting.alive(&second));
    let third = setting.take(&json!({}));
    assert_ne!(third["token"], first["token"], "a dead token is not shared");
}

#[test]
fn a_lease_whose_time_is_over_takes_its_token_with_it() {
    let setting = Setting::new();
    let lease = setting.take(&json!({"ttl": 60}));
    setting.broker.clock.advance(Duration::from_secs(60));
    wait::until(|| setting.github.calls(END) == 1);
    wait::until(|| !setting.alive(&lease));
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn whoever_revokes_at_once_ends_the_leases_that_share_the_token() {
    let setting = Setting::new();
    let first = setting.take(&json!({}));
    let second = setting.take(&json!({}));
    let ended = setting.revoke(&first, "?at_once=true");
    assert_eq!(ended["token"], "revoked");
    assert_eq!(ended["also_ended"], json!([second["lease"]]));
    assert!(!setting.alive(&second));
    assert_eq!(setting.broker.home.records_of("lease.revoked").len(), 2);
}

#[test]
fn a_caller_whose_token_is_refused_asks_for_a_fresh_one() {
    let setting = Setting::new();
    let first = setting.take(&json!({}));
    setting
        .github
        .change(|state| state.revoke(first["token"].as_str().unwrap()));
    assert!(!setting.alive(&first));
    let fresh = setting.take(&json!({"fresh": true}));
    assert_ne!(fresh["token"], first["token"]);
    assert!(setting.alive(&fresh));
    let next = setting.take(&json!({}));
    assert_eq!(
        next["token"], fresh["token"],
        "the fresh one is shared from now on"
    );
}

#[test]
fn a_narrower_lease_gets_a_token_of_its_own() {
    let setting = Setting::new();
    let whole = setting.take(&json!({}));
    let narrow = setting.take(&json!({"permissions": {"contents": "read"}}));
    assert_ne!(whole["token"], narrow["token"]);
    assert_eq!(setting.github.calls(MINT), 2);
}

#[test]
fn locking_wipes_shared_tokens_and_after_an_unlock_the_vault_has_them() {
    let setting = Setting::new();
    let before = setting.take(&json!({}));
    setting.broker.lock();
    let refused = setting.refusal();
    assert_eq!(refused["code"], "locked");
    setting.broker.unlock();
    let after = setting.take(&json!({}));
    assert_eq!(before["token"], after["token"]);
    assert_eq!(setting.github.calls(MINT), 1);
}
