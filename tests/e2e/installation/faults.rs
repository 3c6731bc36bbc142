//! What goes wrong on the way to a token, and afterwards.

use std::process::Command;
use std::thread;

use serde_json::json;
use support::broker::Ran;
use support::github::{Effect, Fault};
use support::{needs, wait};

use super::{END, FIND, MINT, OLD_TOKEN, Setting};

const FALLBACK: &str = r#"fallback = { secret = "acme-import-old-token", deliver = "raw" }"#;

fn live_tokens(setting: &Setting) -> usize {
    setting
        .github
        .change(|state| state.live_installation_tokens())
}

#[test]
fn what_github_refuses_is_said_and_nothing_is_handed_out() {
    let Some(setting) = Setting::new() else {
        return;
    };
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
    assert_eq!(live_tokens(&setting), 0);
    let exit = setting.broker.home.ctl(&["get", "acme-import"]);
    assert_eq!(exit.code(), Some(0), "and then it works");
}

#[test]
fn when_github_grants_more_than_was_asked_the_token_is_revoked_and_nobody_gets_it() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let more = json!({"permissions": {"contents": "write", "issues": "write", "metadata": "read"}});
    setting
        .github
        .fault(Fault::on(MINT).patch_body(more).times(1));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`contents`: write instead of read"),
        "{detail}"
    );
    wait::until(|| live_tokens(&setting) == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_mint_whose_answer_was_lost_is_not_repeated_and_the_caller_is_told() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).lose_reply().times(1));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_unavailable", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("a token may have been minted that nobody holds"),
        "{detail}"
    );
    assert_eq!(setting.github.calls(MINT), 1);
    assert_eq!(live_tokens(&setting), 1, "it happened anyway");
}

#[test]
fn a_mint_that_never_arrived_is_tried_again() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.take(&json!({}));
    setting
        .github
        .fault(Fault::on(MINT).refuse(503, "Unicorn!").times(1));
    let answer = setting
        .broker
        .lease(r#"{"purpose":"acme-import","fresh":true}"#);
    // A gateway's error says nothing of what stands behind it: not repeated either.
    assert_eq!(answer.json()["code"], "upstream_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(setting.github.calls(MINT), 2);
}

#[test]
fn p2_if_the_issue_cannot_be_recorded_the_token_is_revoked_and_nobody_gets_it() {
    if !needs::program("prlimit") {
        return;
    }
    let Some(setting) = Setting::new() else {
        return;
    };
    setting.github.fault(Fault::on(MINT).hold().times(1));
    let limit = |bytes: &str| {
        let pid = setting.broker.pid().to_string();
        Ran::of(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]))
            .success();
    };
    let problem = thread::scope(|scope| {
        let asking = scope.spawn(|| setting.refusal());
        setting.github.wait_for_calls(MINT, 1);
        // The grant is recorded; what comes of it cannot be. The vault's file may grow no more either.
        limit("1:unlimited");
        setting.github.release();
        asking.join().unwrap()
    });
    assert!(
        ["audit_unavailable", "internal"].contains(&problem["code"].as_str().unwrap()),
        "{problem}"
    );
    wait::until(|| live_tokens(&setting) == 0);
    limit("unlimited:unlimited");
}

#[test]
fn an_app_key_that_is_none_is_not_stored_and_the_one_in_use_goes_on() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let set = ["secret", "set", "acme-import-app"];
    let home = &setting.broker.home;
    let ran = home.ctl_with(&set, "ghp_notAnAppKeyAtAllnotAnAppKeyAtAllnotA");
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no private key in PEM form"), "{ran:?}");
    let lease = setting.take(&json!({}));
    assert!(setting.alive(&lease));
}

#[test]
fn clocks_that_differ_are_set_right_by_what_github_says() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting
        .github
        .advance(std::time::Duration::from_secs(20 * 60));
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
    let Some(setting) = Setting::with(FALLBACK) else {
        return;
    };
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
    home.ctl(&["policy", "reload"]).success();
    assert_eq!(setting.revoke(&lease, "")["recorded"], true);
}

#[test]
fn a_refusal_for_lack_of_permission_never_leads_to_the_fallback() {
    let Some(setting) = Setting::with(FALLBACK) else {
        return;
    };
    let message = "The permissions requested are not granted to this installation.";
    setting.github.fault(Fault::on(MINT).refuse(422, message));
    let problem = setting.refusal();
    assert_eq!(problem["code"], "upstream_refused", "{problem}");
}

#[test]
fn a_missing_app_key_leads_to_the_fallback() {
    let Some(setting) = Setting::with(FALLBACK) else {
        return;
    };
    setting
        .broker
        .home
        .ctl(&["secret", "remove", "acme-import-app", "--yes"])
        .success();
    let lease = setting.take(&json!({}));
    assert_eq!(lease["token"], OLD_TOKEN);
    assert_eq!(setting.github.calls(MINT), 0);
    assert_eq!(setting.broker.home.records_of("lease.denied").len(), 0);
}

#[test]
fn a_token_that_is_not_known_everywhere_yet_is_not_taken_for_dead() {
    let Some(setting) = Setting::new() else {
        return;
    };
    setting
        .github
        .change(|state| state.settings.replication_calls = 3);
    let lease = setting.take(&json!({}));
    let ended = setting.revoke(&lease, "");
    assert_eq!(ended["token"], "pending", "401, and it is seconds old");
    wait::until(|| live_tokens(&setting) == 0);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn a_token_whose_end_was_lost_on_the_way_back_is_dead_all_the_same() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let lease = setting.take(&json!({}));
    setting.github.fault(Fault::on(END).lose_reply().times(1));
    setting.revoke(&lease, "");
    assert!(!setting.alive(&lease));
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
}

#[test]
fn while_github_is_down_an_end_is_tried_until_it_takes() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let lease = setting.take(&json!({}));
    setting.github.fault(Fault::on(END).close_before());
    assert_eq!(setting.revoke(&lease, "")["token"], "pending");
    setting.github.heal();
    wait::until(|| !setting.alive(&lease));
}

#[test]
fn an_installation_that_is_limited_is_refused_without_a_further_call() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let lease = setting.take(&json!({}));
    let left = setting.take(&json!({}))["rate_limit"].clone();
    assert!(
        left.is_null(),
        "nothing is known before somebody asked: {left}"
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
    let Some(setting) = Setting::new() else {
        return;
    };
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
    let Some(setting) = Setting::new() else {
        return;
    };
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
