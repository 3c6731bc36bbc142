//! The stored value behind a proxy lease: opened on a record, wiped by a lock, followed through a rotation.

use std::time::Duration;

use serde_json::Value;
use support::github::Fault;
use support::home::write_private;
use support::{canary, wait};

use super::*;

fn issued(broker: &InProcess) -> Vec<Value> {
    broker.home.records_of("lease.issued")
}

#[test]
fn the_grant_names_both_tokens_and_allows_the_first_opening() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let granted = &broker.home.records_of("lease.granted")[0];
    assert_eq!(granted["hashed_token"], hashed(&lease.token));
    assert_eq!(granted["hashed_credential"], hashed(canary::CLASSIC));
    for _ in 0..2 {
        assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    }
    assert!(issued(&broker).is_empty(), "the grant sufficed");
    assert!(broker.home.records_of("secret.used").is_empty());
}

#[test]
fn a_locked_store_serves_nothing_and_after_the_unlock_the_value_is_opened_on_a_record() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    broker.lock();
    github.forget_calls();
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 503, "locked");
    assert!(github.journal().is_empty());
    broker.unlock();
    for _ in 0..2 {
        assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    }
    let issued = issued(&broker);
    assert_eq!(issued.len(), 1, "once: {issued:?}");
    assert_eq!(issued[0]["lease"], lease.id.as_str());
    assert_eq!(issued[0]["hashed_token"], hashed(&lease.token));
    assert_eq!(issued[0]["hashed_credential"], hashed(canary::CLASSIC));
}

#[test]
fn a_lease_goes_on_after_a_restart_and_its_value_is_opened_on_a_record() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let broker = broker.restarted();
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    assert_eq!(issued(&broker).len(), 1);
    let broker = broker.restarted();
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    assert_eq!(issued(&broker).len(), 2);
    broker.assert_log_verifies();
}

#[test]
fn after_a_new_value_is_set_requests_are_made_with_that_one() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    broker.set(SECRET, canary::CLASSIC_TWO);
    github.forget_calls();
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    let new = hashed(canary::CLASSIC_TWO);
    assert_eq!(issued(&broker)[0]["hashed_credential"], new);
    assert_eq!(github.journal()[0].hashed_token.as_deref(), Some(&*new));
    // Renewals and restarts go on from there.
    let path = format!("/v1/leases/{}/renew", lease.id);
    broker.done("POST", &path, "");
    let renewed = &broker.home.records_of("lease.renewed")[0];
    assert_eq!(renewed["hashed_credential"], new);
    assert_eq!(renewed["hashed_token"], hashed(&lease.token));
}

#[test]
fn a_value_from_a_file_is_named_by_a_record_before_it_is_used() {
    let github = github();
    let home = ready();
    home.policy("label-sync.toml", &purpose(""));
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let file = home.path().join("token");
    write_private(&file, canary::CLASSIC);
    let file = file.display();
    home.policy(
        "secrets.toml",
        &format!("[secret.{SECRET}]\nkind = \"classic\"\nsource = \"file:{file}\"\n"),
    );
    let broker = InProcess::start(home);
    let lease = lease(&broker);
    let granted = &broker.home.records_of("lease.granted")[0];
    assert!(granted.get("hashed_credential").is_none(), "not known yet");
    for _ in 0..2 {
        assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    }
    let issued = issued(&broker);
    assert_eq!(issued.len(), 1);
    assert_eq!(issued[0]["hashed_credential"], hashed(canary::CLASSIC));

    let broker = broker.restarted();
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    let used = broker.home.records_of("secret.used");
    assert_eq!(
        used[0]["what_for"], "proxy",
        "the proof of the grant is spent"
    );
}

#[test]
fn a_lease_in_use_is_renewed_until_it_is_renewable_no_longer() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let ask = || get(&broker, &github, &lease.token, LABELS).status;
    assert_eq!(ask(), 200);
    assert!(broker.home.records_of("lease.renewed").is_empty());
    // A rule's 15 minutes, renewed each time half of them is over, for an hour in all.
    for _ in 0..7 {
        broker.clock.advance(Duration::from_secs(8 * 60));
        assert_eq!(ask(), 200);
    }
    assert!(broker.home.records_of("lease.renewed").len() >= 5);
    broker.clock.advance(Duration::from_secs(8 * 60));
    assert_eq!(ask(), 403);
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
}

#[test]
fn a_request_under_way_has_its_lease_renewed_for_as_long_as_it_lasts() {
    let github = github();
    let broker = broker(&github);
    let (used, idle) = (lease(&broker), lease(&broker));
    github.fault(Fault::on("GET /repos/**").hold());
    let waiting = broker.begin_proxied(request(&github, &used.token, ("GET", LABELS, "")));
    github.wait_for_calls("GET /repos/**", 1);
    // A rule's 15 minutes, for which no other request comes.
    for _ in 0..3 {
        broker.clock.advance(Duration::from_secs(8 * 60));
        broker.round();
    }
    github.heal();
    assert_eq!(broker.finished(waiting).status, 200);
    let renewed = broker.home.records_of("lease.renewed");
    assert_eq!(renewed.len(), 3, "{renewed:#?}");
    assert!(renewed.iter().all(|one| one["lease"] == used.id.as_str()));
    assert_refused(
        &get(&broker, &github, &idle.token, LABELS),
        403,
        "unknown_lease",
    );
    // It is in use no more.
    broker.clock.advance(Duration::from_secs(8 * 60));
    broker.round();
    assert_eq!(broker.home.records_of("lease.renewed").len(), 3);
}

#[test]
fn the_last_renewal_is_the_last_record_of_one() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let ask = || assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    let renewals = || broker.home.records_of("lease.renewed").len();
    for _ in 0..6 {
        // Ends are in whole seconds from whenever it is.
        broker
            .clock
            .advance(Duration::from_millis(8 * 60_000 + 300));
        ask();
    }
    let last = renewals();
    broker.clock.advance(Duration::from_secs(5 * 60));
    for _ in 0..3 {
        ask();
    }
    assert_eq!(renewals(), last);
}

#[test]
fn many_requests_at_once_renew_once() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    broker.clock.advance(Duration::from_secs(8 * 60));
    let ask = |_| broker.begin_proxied(request(&github, &lease.token, ("GET", LABELS, "")));
    let asked: Vec<_> = (0..20).map(ask).collect();
    for waiting in asked {
        assert_eq!(broker.finished(waiting).status, 200);
    }
    assert_eq!(broker.home.records_of("lease.renewed").len(), 1);
}

#[test]
fn requests_that_are_given_up_leave_no_more_than_one_record_of_an_opening() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    broker.lock();
    broker.unlock();
    for _ in 0..20 {
        let waiting = broker.begin_proxied(request(&github, &lease.token, ("GET", LABELS, "")));
        std::thread::yield_now();
        waiting.abort();
    }
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    assert_eq!(issued(&broker).len(), 1);
}

#[test]
fn a_policy_that_no_longer_allows_the_lease_ends_it() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let narrower = purpose("").replace("acme/site", "acme/docs");
    broker.home.policy("label-sync.toml", &narrower);
    broker.reload();
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 403, "unknown_lease");
}
