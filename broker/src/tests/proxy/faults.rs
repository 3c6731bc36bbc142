//! GitHub that refuses, limits, fails or hangs; budgets that are used up; a log that cannot be written.

use std::time::Duration;

use support::github::Fault;
use support::{canary, wait};

use super::*;

#[test]
fn a_value_that_github_refuses_is_checked_and_not_used_until_github_accepts_it() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.change(|state| state.revoke(canary::CLASSIC));
    github.forget_calls();
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 502, "upstream_refused");
    wait::until(|| !broker.home.records_of("secret.checked").is_empty());
    let asked = github.journal().len();
    for _ in 0..3 {
        let answer = get(&broker, &github, &lease.token, LABELS);
        assert_refused(&answer, 502, "upstream_refused");
    }
    assert_eq!(github.journal().len(), asked, "not with that value again");

    // The same value, accepted again, once a check knows it.
    github.change(|state| state.pat_mut(canary::CLASSIC).revoked = false);
    broker.done("POST", &format!("/v1/secrets/{SECRET}/check"), "");
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    // Another value is not suspected.
    github.change(|state| state.revoke(canary::CLASSIC));
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 502);
    broker.set(SECRET, canary::CLASSIC_TWO);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
}

#[test]
fn a_budget_that_is_used_up_is_told_in_githubs_words() {
    let github = github();
    let broker = broker_with(&github, "budget = \"2/m\"");
    let (one, other) = (lease(&broker), lease(&broker));
    assert_eq!(get(&broker, &github, &one.token, LABELS).status, 200);
    assert_eq!(get(&broker, &github, &other.token, LABELS).status, 200);
    github.forget_calls();
    let answer = get(&broker, &github, &one.token, LABELS);
    assert_refused(&answer, 403, "rate_limited");
    assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{answer:?}");
    let message = answer.json()["message"].to_string();
    assert!(message.contains("API rate limit exceeded"), "{message}");
    assert!(github.journal().is_empty());
    broker.clock.advance(Duration::from_secs(61));
    assert_eq!(get(&broker, &github, &one.token, LABELS).status, 200);
}

#[test]
fn refusals_past_their_number_still_say_how_long_to_wait() {
    let github = github();
    let tables = "[limits]\ndenials_per_minute = 1";
    let broker = broker_configured(&github, "budget = \"1/m\"", tables);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    for _ in 0..3 {
        let answer = get(&broker, &github, &lease.token, LABELS);
        assert_refused(&answer, 403, "rate_limited");
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    }
    assert_eq!(broker.home.records_of("proxy.refused").len(), 1);
    let flood = get(&broker, &github, &lease.token, "/user");
    assert_refused(&flood, 403, "rate_limited");
    let message = flood.json()["message"].to_string();
    assert!(message.contains("secondary rate limit"), "{message}");
    assert!(flood.header("retry-after").is_some());
}

#[test]
fn a_limit_that_github_set_is_passed_on_and_then_told_without_asking() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    // Whose budget it is, is known once it was checked.
    broker.done("POST", &format!("/v1/secrets/{SECRET}/check"), "");
    let fault = Fault::on("GET /repos/**").secondary_limit(Some(60));
    github.fault(fault.times(1));
    let passed = get(&broker, &github, &lease.token, LABELS);
    assert_eq!(passed.status, 403);
    assert!(
        passed.header("tokend-error").is_none(),
        "GitHub's own words"
    );
    github.forget_calls();
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 403, "rate_limited");
    assert!(answer.header("retry-after").is_some());
    let message = answer.json()["message"].to_string();
    assert!(message.contains("secondary rate limit"), "{message}");
    assert!(github.journal().is_empty());
}

#[test]
fn a_used_up_limit_of_githubs_is_told_with_the_headers_that_clients_wait_for() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    broker.done("POST", &format!("/v1/secrets/{SECRET}/check"), "");
    github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 5000, now);
    });
    let passed = get(&broker, &github, &lease.token, LABELS);
    assert_eq!(passed.header("x-ratelimit-remaining"), Some("0"));
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 403, "rate_limited");
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    let reset: i64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let left = reset - github.change(|state| state.clock.now()).as_second();
    assert!((3590..=3601).contains(&left), "{answer:?}");
    let message = answer.json()["message"].to_string();
    assert!(message.contains("API rate limit exceeded"), "{message}");
}

#[test]
fn a_write_that_has_no_answer_is_on_record_as_sent_and_not_sent_twice() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.forget_calls();
    github.fault(
        Fault::on("POST /repos/acme/site/labels")
            .lose_reply()
            .times(1),
    );
    let answer = post(&broker, &github, &lease.token, LABELS, A_LABEL);
    assert_refused(&answer, 502, "upstream_unavailable");
    assert_eq!(github.calls("POST /repos/acme/site/labels"), 1);
    wait::until(|| !broker.home.records_of("proxy.response").is_empty());
    let outcome = &broker.home.records_of("proxy.response")[0];
    assert!(outcome.get("status").is_none(), "{outcome}");
    assert!(outcome["why"].is_string(), "{outcome}");
    assert_eq!(outcome["sent"], A_LABEL.len());
    let listed = get(&broker, &github, &lease.token, LABELS);
    assert_eq!(listed.json()[0]["name"], "bug", "it happened anyway");
}

#[test]
fn a_revocation_cuts_off_a_request_that_waits_for_github() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.fault(Fault::on("GET /repos/**").hold());
    let waiting = broker.begin_proxied(request(&github, &lease.token, ("GET", LABELS, "")));
    github.wait_for_calls("GET /repos/**", 1);
    broker.done("DELETE", &format!("/v1/leases/{}", lease.id), "");
    let answer = broker.finished(waiting);
    assert_refused(&answer, 403, "unknown_lease");
    github.heal();
    wait::until(|| !broker.home.records_of("proxy.response").is_empty());
    let outcome = &broker.home.records_of("proxy.response")[0];
    assert_eq!(outcome["why"], "the lease ended");
}

#[test]
fn an_account_that_fills_the_log_is_refused_before_anything_is_passed_on() {
    let github = github();
    let tables = "[limits]\naudit_mib_per_account = 1";
    let broker = broker_configured(&github, "", tables);
    let lease = lease(&broker);
    let long = format!("/repos/acme/site/labels/{}", "x".repeat(3900));
    let refused = wait_for_refusal(|| get(&broker, &github, &lease.token, &long));
    assert_refused(&refused, 403, "rate_limited");
    assert!(refused.header("retry-after").is_some());
}

fn wait_for_refusal(ask: impl Fn() -> Answer) -> Answer {
    let mut asked = std::iter::repeat_with(ask).take(1000);
    asked.find(|answer| answer.status == 403).unwrap()
}
