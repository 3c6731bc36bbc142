//! GitHub that mints no token, or perhaps does; a log that takes no more.

use super::*;

#[test]
fn while_no_next_token_is_minted_the_one_in_use_is_used_to_its_end_and_then_it_is_said_why() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 4 * 3600}));
    setting.works(&lease);
    let suspended = "This installation has been suspended";
    setting.github.fault(Fault::on(MINT).refuse(403, suspended));
    setting.advance(56 * MINUTE);
    for tries in 2..=4 {
        setting.works(&lease);
        setting.github.wait_for_calls(MINT, tries);
        // One try is enough for a while.
        for _ in 0..3 {
            setting.works(&lease);
        }
        assert_eq!(setting.mints(), tries);
        setting.advance(MINUTE);
    }
    setting.advance(2 * MINUTE);
    for _ in 0..3 {
        let answer = setting.get(&lease);
        assert_refused(&answer, 502, "upstream_refused");
        says(
            &answer.json()["message"].to_string(),
            &["is suspended on `acme/one`"],
        );
    }
    assert_eq!(setting.mints(), 5, "not for each request");
    assert_eq!(setting.issued().len(), 1);
    setting.github.heal();
    setting.advance(MINUTE);
    setting.works(&lease);
    assert_eq!(setting.issued().len(), 2);
}

#[test]
fn where_the_app_is_not_installed_the_first_request_says_so() {
    let setting = Setting::new();
    let lease = setting.take();
    setting
        .github
        .change(|state| state.app_mut(CLIENT).installations.clear());
    let answer = setting.get(&lease);
    assert_refused(&answer, 502, "upstream_refused");
    let message = answer.json()["message"].to_string();
    says(
        &message,
        &["the App behind `acme-import-app` is not installed on `acme/one`"],
    );
    wait::until(|| !setting.broker.home.records_of("proxy.response").is_empty());
    let outcome = &setting.broker.home.records_of("proxy.response")[0];
    assert!(
        outcome["why"].to_string().contains("not installed"),
        "{outcome}"
    );
}

#[test]
fn a_mint_whose_answer_was_lost_is_not_repeated_at_once_and_the_caller_is_told() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.github.fault(Fault::on(MINT).lose_reply().times(1));
    for _ in 0..2 {
        let answer = setting.get(&lease);
        assert_refused(&answer, 503, "upstream_unavailable");
        let message = answer.json()["message"].to_string();
        says(
            &message,
            &["a token may have been minted that no lease holds"],
        );
    }
    assert_eq!(setting.mints(), 1);
    assert_eq!(setting.github.live_tokens(), 1, "it happened anyway");
    assert!(setting.issued().is_empty());
    setting.advance(MINUTE);
    setting.works(&lease);
    assert_eq!((setting.mints(), setting.issued().len()), (2, 1));
}

#[test]
fn a_token_wider_than_the_lease_is_ended_and_never_used() {
    let setting = Setting::new();
    let lease = setting.take();
    let more = json!({"permissions": {"contents": "write", "issues": "write", "metadata": "read"}});
    setting
        .github
        .fault(Fault::on(MINT).patch_body(more).times(1));
    let answer = setting.get(&lease);
    assert_refused(&answer, 502, "upstream_refused");
    says(
        &answer.json()["message"].to_string(),
        &["`contents`: write instead of read"],
    );
    wait::until(|| setting.github.live_tokens() == 0);
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 0);
}

#[test]
fn an_account_that_fills_the_log_has_nothing_minted() {
    let setting = Setting::with("", "[limits]\naudit_mib_per_account = 1");
    let (first, second) = (setting.take(), setting.take());
    setting.works(&first);
    let long = format!("{ONE}/{}", "x".repeat(3900));
    // The last of them fills what is too short for a long path.
    for path in [long.as_str(), ONE] {
        let ask = |_| get(&setting.broker, &setting.github, &first.token, path);
        assert!((0..1000).map(ask).any(|answer| answer.status == 403));
    }
    let answer = setting.get(&second);
    assert_refused(&answer, 403, "rate_limited");
    assert_eq!(setting.mints(), 1);
}

#[test]
fn a_limited_app_is_not_asked_and_the_caller_is_told_to_wait() {
    let setting = Setting::new();
    let lease = setting.take();
    let limited = support::github::Effect::SecondaryLimit {
        status: 403,
        retry_after: Some(60),
    };
    setting
        .github
        .fault(Fault::on(MINT).effect(limited).times(1));
    let answer = setting.get(&lease);
    assert_refused(&answer, 403, "rate_limited");
    assert_eq!(setting.get(&lease).status, 403);
    assert_eq!(setting.mints(), 1);
    setting.advance(2 * MINUTE);
    setting.works(&lease);
}

#[test]
fn a_limit_that_the_question_before_a_mutation_runs_into_holds_for_the_lease() {
    let setting = Setting::new();
    let lease = setting.take();
    let limited = support::github::Effect::SecondaryLimit {
        status: 403,
        retry_after: Some(60),
    };
    setting
        .github
        .fault(Fault::on("POST /graphql").effect(limited).times(1));
    let close = r#"mutation { closeIssue(input: {issueId: "I_kwDOone"}) { clientMutationId } }"#;
    let body = json!({ "query": close }).to_string();
    let asked = request(&setting.github, &lease.token, ("POST", "/graphql", &body));
    // It has the first token minted, which says whose limit it is.
    assert_refused(&setting.broker.proxied(asked), 403, "rate_limited");
    assert_eq!(setting.github.calls("POST /graphql"), 1);
    assert_refused(&setting.get(&lease), 403, "rate_limited");
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 0);
}

#[test]
fn where_a_token_would_have_ended_by_this_machines_clock_none_is_used_and_none_minted_again_at_once()
 {
    let setting = Setting::new();
    let lease = setting.take();
    setting.github.turn_back(58 * MINUTE);
    for _ in 0..2 {
        let answer = setting.get(&lease);
        assert_refused(&answer, 500, "internal");
        says(
            &answer.json()["message"].to_string(),
            &["set the clock right"],
        );
    }
    let minted = |state: &mut support::github::State| state.minted_tokens().len();
    assert_eq!(setting.github.change(minted), 1);
    wait::until(|| setting.github.live_tokens() == 0);
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 0);
}

#[test]
fn a_next_token_that_is_not_used_takes_nothing_from_the_one_in_use() {
    let setting = Setting::new();
    let lease = setting.take_with(&json!({"ttl": 4 * 3600}));
    setting.works(&lease);
    setting.advance(58 * MINUTE);
    setting.github.turn_back(57 * MINUTE);
    setting.works(&lease);
    setting.github.wait_for_calls(MINT, 2);
    // The next one ends at once.
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
    for _ in 0..3 {
        setting.works(&lease);
    }
    assert_eq!(setting.issued().len(), 1);
    assert_eq!(setting.github.live_tokens(), 1);
}
