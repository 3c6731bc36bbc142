//! What goes wrong on the way to a token, and afterwards.

use std::time::Duration;

use serde_json::json;
use support::github::{Effect, Fault};
use support::scenes::log::says;
use support::wait;

use super::{END, FIND, MINT, OLD_TOKEN, Setting};

pub(super) const FALLBACK: &str =
    r#"fallback = { secret = "acme-import-old-token", deliver = "raw" }"#;

#[test]
fn what_github_refuses_is_said_and_nothing_is_handed_out() {
    let setting = Setting::new();
    for (status, message, code) in [
        (
            422,
            "The permissions requested are not granted to this installation.",
            "upstream_refused",
        ),
        (
            403,
            "This installation has been suspended",
            "upstream_refused",
        ),
        (
            401,
            "A JSON web token could not be decoded",
            "upstream_refused",
        ),
    ] {
        setting
            .github
            .fault(Fault::on(MINT).refuse(status, message).times(1));
        let problem = setting.refusal();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], 502);
    }
    let failed = setting.broker.home.records_of("lease.failed");
    assert_eq!(failed.len(), 3);
    assert_eq!(setting.github.live_tokens(), 0);
    setting.take(&json!({}));
}

#[test]
fn when_github_grants_more_than_was_asked_the_token_is_revoked_and_nobody_gets_it() {
    let setting = Setting::new();
    let more = json!({"permissions": {"contents": "write", "issues": "write", "metadata": "read"}});
    setting
        .github
        .fault(Fault::on(MINT).patch_body(more).times(1));
    let problem = setting.refused(r#"{"purpose":"acme-import"}"#);
    let more = "`contents`: write instead of read";
    says(problem["detail"].as_str().unwrap(), &[more]);
    wait::until(|| setting.github.live_tokens() == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_mint_whose_answer_was_lost_is_not_repeated_and_the_caller_is_told() {
    let setting = Setting::new();
    setting.github.fault(Fault::on(MINT).lose_reply().times(1));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_unavailable", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("a token may have been minted that no lease holds"),
        "{detail}"
    );
    assert_eq!(setting.github.calls(MINT), 1);
    assert_eq!(setting.github.live_tokens(), 1, "it happened anyway");
}

#[test]
fn a_mint_that_a_gateway_answered_is_not_repeated() {
    let setting = Setting::new();
    setting.take(&json!({}));
    setting
        .github
        .fault(Fault::on(MINT).refuse(503, "Unicorn!").times(1));
    let answer = setting
        .broker
        .lease(r#"{"purpose":"acme-import","fresh":true}"#);
    // What became of it behind the gateway is not known.
    assert_eq!(answer.json()["code"], "upstream_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(setting.github.calls(MINT), 2);
}

#[test]
fn an_app_key_that_is_none_is_not_stored_and_the_one_in_use_goes_on() {
    let setting = Setting::new();
    let body = json!({"value": "ghp_notAnAppKeyAtAllnotAnAppKeyAtAllnotA"}).to_string();
    let path = "/v1/secrets/acme-import-app";
    let answer = setting.broker.http("PUT", path, &body);
    assert_eq!(answer.status, 400, "{answer:?}");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("no private key in PEM form"), "{detail}");
    let lease = setting.take(&json!({}));
    assert!(setting.alive(&lease));
}

#[test]
fn clocks_that_differ_are_set_right_by_what_github_says() {
    let setting = Setting::new();
    setting.github.advance(Duration::from_secs(20 * 60));
    let lease = setting.take(&json!({}));
    assert!(setting.alive(&lease));
    let refused = setting
        .github
        .journal()
        .iter()
        .filter(|call| call.status == Some(401))
        .count();
    assert_eq!(refused, 1, "learned once");
}

#[test]
fn where_the_app_is_not_installed_the_fallback_is_used_and_recorded() {
    let setting = Setting::with(FALLBACK);
    setting
        .github
        .change(|state| state.app_mut(super::CLIENT).installations.clear());
    let lease = setting.take(&json!({}));
    assert_eq!(lease["token"], OLD_TOKEN);
    assert_eq!(lease["deliver"], "raw");
    assert_eq!(lease["secret"], "acme-import-old-token");
    let home = &setting.broker.home;
    let granted = home.records_of("lease.granted");
    assert_eq!(granted.len(), 2, "the App's own came first, and failed");
    let why = granted[1]["fallback"].as_str().unwrap();
    assert!(why.contains("not installed on `acme/one`"), "{why}");
    assert_eq!(
        home.records_of("lease.failed")[0]["lease"],
        granted[0]["lease"]
    );
    // And it stays in force over a reload.
    setting.broker.reload();
    assert_eq!(setting.revoke(&lease, "")["recorded"], true);
}

#[test]
fn a_lease_is_counted_by_what_was_delivered() {
    let setting = Setting::with(FALLBACK);
    let figures = || {
        let metrics = setting.broker.http("GET", "/metrics", "").body;
        let text = String::from_utf8(metrics).unwrap();
        let figure = |metric: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(metric));
            line.unwrap_or_default().trim().to_owned()
        };
        let granted = r#"tokend_leases_granted_total{purpose="acme-import",deliver="#;
        [
            figure(&format!("{granted}\"installation\"}}")),
            figure(&format!("{granted}\"raw\"}}")),
            figure("tokend_fallbacks_total{purpose=\"acme-import\"}"),
        ]
    };
    assert_eq!(figures(), ["0", "0", ""]);
    setting.take(&json!({}));
    setting
        .broker
        .done("DELETE", "/v1/secrets/acme-import-app", "");
    assert_eq!(setting.take(&json!({}))["deliver"], "raw");
    assert_eq!(figures(), ["1", "1", "1"]);
    // What is not handed out is not counted.
    let old = "/v1/secrets/acme-import-old-token";
    setting.broker.done("DELETE", old, "");
    let refused = setting.broker.lease(r#"{"purpose":"acme-import"}"#);
    assert_eq!(refused.status, 409);
    assert_eq!(figures(), ["1", "1", "1"]);
}

#[test]
fn a_refusal_for_lack_of_permission_never_leads_to_the_fallback() {
    let setting = Setting::with(FALLBACK);
    let message = "The permissions requested are not granted to this installation.";
    setting.github.fault(Fault::on(MINT).refuse(422, message));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_refused", "{problem}");
}

#[test]
fn a_missing_app_key_leads_to_the_fallback() {
    let setting = Setting::with(FALLBACK);
    let broker = &setting.broker;
    broker.done("DELETE", "/v1/secrets/acme-import-app", "");
    let lease = setting.take(&json!({}));
    assert_eq!(lease["token"], OLD_TOKEN);
    assert_eq!(setting.github.calls(MINT), 0);
    assert_eq!(setting.broker.home.records_of("lease.denied").len(), 0);
}

#[test]
fn a_token_that_is_not_known_everywhere_yet_is_not_taken_for_dead() {
    let setting = Setting::new();
    setting
        .github
        .change(|state| state.settings.replication_calls = 3);
    let lease = setting.take(&json!({}));
    let ended = setting.revoke(&lease, "");
    assert_eq!(ended["token"], "pending", "401, and it is seconds old");
    // Each pause between tries is over at once, and it stays younger than that takes.
    for (tries, pause) in [(2, 1), (3, 2), (4, 4)] {
        setting.broker.clock.advance(Duration::from_secs(pause));
        wait::until(|| setting.github.calls(END) >= tries);
    }
    wait::until(|| setting.github.live_tokens() == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_token_whose_end_was_lost_on_the_way_back_is_dead_all_the_same() {
    let setting = Setting::new();
    let lease = setting.take(&json!({}));
    setting.github.fault(Fault::on(END).lose_reply().times(1));
    setting.revoke(&lease, "");
    assert!(!setting.alive(&lease));
    let broker = &setting.broker;
    broker.until(|| broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn while_github_is_down_an_end_is_tried_until_it_takes() {
    let setting = Setting::new();
    let lease = setting.take(&json!({}));
    setting.github.fault(Fault::on(END).close_before());
    assert_eq!(setting.revoke(&lease, "")["token"], "pending");
    setting.github.heal();
    setting.broker.until(|| !setting.alive(&lease));
}

#[test]
fn an_installation_that_is_limited_is_refused_without_a_further_call() {
    let setting = Setting::new();
    let lease = setting.take(&json!({}));
    let left = setting.take(&json!({}))["rate_limit"].clone();
    assert!(
        left.is_null(),
        "nothing is known before GitHub was asked: {left}"
    );
    let installation = setting
        .github
        .change(|state| state.installation_on("acme").id);
    setting
        .github
        .fault(Fault::on(END).secondary_limit(Some(90)).times(1));
    assert_eq!(setting.revoke(&lease, "?at_once=true")["token"], "pending");
    setting.github.forget_calls();
    let answer = setting.broker.lease(r#"{"purpose":"acme-import"}"#);
    assert_eq!(
        answer.status, 429,
        "installation {installation}: {answer:?}"
    );
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((80..=90).contains(&wait), "{wait}");
    assert_eq!(setting.github.calls(MINT), 0);
}

#[test]
fn a_token_is_ended_although_its_installation_has_used_up_its_hour() {
    let setting = Setting::new();
    let (one, other) = (
        setting.take(&json!({})),
        setting.take(&json!({"fresh": true})),
    );
    let used_up = Effect::PrimaryLimit {
        status: 403,
        reset_in: 1800,
    };
    setting
        .github
        .fault(Fault::on(END).effect(used_up).times(1));
    assert_eq!(setting.revoke(&one, "?at_once=true")["token"], "pending");
    let answer = setting.broker.lease(r#"{"purpose":"acme-import"}"#);
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(setting.revoke(&other, "?at_once=true")["token"], "revoked");
    assert!(!setting.alive(&other));
}

#[test]
fn while_github_is_left_alone_nothing_is_granted_that_would_have_to_be_minted() {
    let setting = Setting::new();
    setting.github.fault(Fault::on(FIND).close_before());
    let granted = || setting.broker.home.records_of("lease.granted").len();
    wait::until(|| {
        let problem = setting.refusal();
        assert_eq!(problem["code"], "upstream_unavailable", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        detail.contains("could not be reached several times")
    });
    let before = (granted(), setting.github.calls(FIND));
    let answer = setting.broker.lease(r#"{"purpose":"acme-import"}"#);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert_eq!((granted(), setting.github.calls(FIND)), before);
}
