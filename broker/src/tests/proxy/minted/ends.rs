//! What ends a token: its last lease, a lock with an end of all; and what does not: a lock, a restart.

use super::*;

#[test]
fn a_token_ends_at_github_with_the_last_lease_that_uses_it() {
    let setting = Setting::new();
    let (one, other) = (setting.take(), setting.take());
    setting.works(&one);
    setting.works(&other);
    let revoked = setting.revoke(&one);
    // Its caller never had what the other goes on with.
    assert!(revoked.get("token").is_none(), "{revoked}");
    assert!(revoked.get("also_ended").is_none(), "{revoked}");
    assert_refused(&setting.get(&one), 403, "unknown_lease");
    setting.works(&other);
    assert_eq!(setting.github.calls(END), 0);
    assert_eq!(setting.revoke(&other)["token"], "revoked");
    assert_eq!(setting.github.live_tokens(), 0);
    let record = &setting.broker.home.records_of("token.revoked")[0];
    assert_eq!(
        record["hashed_credential"],
        setting.issued()[0]["hashed_credential"]
    );
}

#[test]
fn a_lease_that_was_never_used_ends_without_a_word_to_github() {
    let setting = Setting::new();
    let revoked = setting.revoke(&setting.take());
    assert!(revoked.get("token").is_none(), "{revoked}");
    assert!(setting.github.journal().is_empty());
}

#[test]
fn a_lease_whose_time_is_over_takes_its_token_with_it() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 60}));
    setting.works(&lease);
    setting.advance(MINUTE);
    wait::until(|| setting.github.live_tokens() == 0);
    assert_refused(&setting.get(&lease), 403, "unknown_lease");
}

#[test]
fn a_lease_that_is_revoked_while_its_token_is_minted_leaves_none_behind() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.github.fault(Fault::on(MINT).hold());
    let asked = request(&setting.github, &lease.token, ("GET", ONE, ""));
    let waiting = setting.broker.begin_proxied(asked);
    setting.github.wait_for_calls(MINT, 1);
    setting.revoke(&lease);
    setting.github.heal();
    assert_refused(&setting.broker.finished(waiting), 403, "unknown_lease");
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
    assert_eq!(setting.github.live_tokens(), 0);
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 0);
}

#[test]
fn a_locked_store_serves_nothing_and_after_the_unlock_the_same_token_is_used_on_a_record() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    setting.broker.lock();
    setting.github.forget_calls();
    assert_refused(&setting.get(&lease), 503, "locked");
    assert!(setting.github.journal().is_empty());
    setting.broker.unlock();
    for _ in 0..2 {
        setting.works(&lease);
    }
    assert_eq!(setting.mints(), 0);
    let issued = setting.issued();
    assert_eq!((issued.len(), named(&issued).len()), (2, 1), "{issued:?}");
}

#[test]
fn a_lock_that_revokes_ends_leases_and_tokens() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    let revoked = app::lock_and_revoke(&setting.broker);
    assert_eq!(revoked["tokens_ended"].as_array().unwrap().len(), 1);
    assert_eq!(setting.github.live_tokens(), 0);
    setting.broker.unlock();
    assert_refused(&setting.get(&lease), 403, "unknown_lease");
}

#[test]
fn a_lease_goes_on_after_a_restart_with_the_token_it_had() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    let idle = setting.take();
    let Setting { github, broker } = setting;
    let setting = Setting {
        broker: broker.restarted(),
        github,
    };
    setting.works(&lease);
    setting.works(&idle);
    let Setting { github, broker } = setting;
    let setting = Setting {
        broker: broker.killed(|_| {}),
        github,
    };
    setting.works(&lease);
    // Nothing was minted that said whose installation it is.
    let view = setting.view(&lease);
    assert!(view["rate_limit"]["remaining"].is_u64(), "{view}");
    assert_eq!(setting.mints(), 1);
    assert_eq!(named(&setting.issued()).len(), 1);
    assert_eq!(setting.github.calls(END), 0);
    setting.revoke(&lease);
    assert_eq!(setting.github.live_tokens(), 1, "the other one holds it");
    assert_eq!(setting.revoke(&idle)["token"], "revoked");
    setting.broker.assert_log_verifies();
}

#[test]
fn a_lease_whose_token_ended_while_the_broker_was_down_mints_another() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 4 * 3600}));
    setting.works(&lease);
    let Setting { github, broker } = setting;
    let clock = broker.clock.clone();
    let broker = broker.killed(|_| clock.advance(61 * MINUTE));
    github.advance(61 * MINUTE);
    let setting = Setting { broker, github };
    setting.works(&lease);
    assert_eq!(setting.mints(), 2);
}

#[test]
fn a_policy_that_no_longer_allows_the_lease_ends_it_and_its_token() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    let narrower = app::proxied_import("").replace("\"acme/one\", ", "");
    setting.broker.home.policy("acme-import.toml", &narrower);
    setting.broker.reload();
    assert_refused(&setting.get(&lease), 403, "unknown_lease");
    wait::until(|| setting.github.live_tokens() == 0);
}

#[test]
fn a_removed_key_ends_the_leases_and_their_token() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    setting
        .broker
        .done("DELETE", &format!("/v1/secrets/{APP}"), "");
    assert_refused(&setting.get(&lease), 403, "unknown_lease");
    wait::until(|| setting.github.live_tokens() == 0);
}
