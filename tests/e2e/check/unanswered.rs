//! Where GitHub does not answer, refuses or limits: nothing is made up, and nobody is asked twice.

use serde_json::{Value, json};
use support::github::{AppKey, Effect, ExpiryHeader, Fault, Pat, StandIn, World, classic_token};
use support::{Home, TestBroker};

use super::{NAMES, SYSTEM, checked, faults, home, set, started};
use crate::described::ask;

#[test]
fn where_github_fails_nothing_is_found_out_and_what_was_known_stays() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &token);
    assert_eq!(checked(&broker, NAMES[0])["verdict"], "ok");
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let before = broker.http("GET", &path, "").json();

    let check = format!("{path}/check");
    for (fault, status, code) in [
        // A proxy's own words say nothing of the token.
        (
            Fault::on("GET /user").effect(Effect::Replay {
                status: 403,
                headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
                body: "<h1>Forbidden by the proxy</h1>".to_owned(),
            }),
            502,
            "upstream_refused",
        ),
        (
            Fault::on("GET /user").refuse(502, "Bad Gateway"),
            503,
            "upstream_unavailable",
        ),
        (
            Fault::on("GET /user").lose_reply(),
            503,
            "upstream_unavailable",
        ),
        (
            Fault::on("GET /user").not_json(),
            503,
            "upstream_unavailable",
        ),
    ] {
        github.fault(fault);
        let (got, problem) = ask(&broker, "POST", "/v1/secrets/{name}/check", &check, "");
        assert_eq!(
            (got, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        github.heal();
        let (_, shown) = ask(&broker, "GET", "/v1/secrets/{name}", &path, "");
        assert_eq!(shown["check"], before["check"], "{problem}");
        assert!(shown["check_failed"]["why"].is_string(), "{shown}");
    }
    let list = broker.home.ctl(&["secret", "list"]).success();
    assert!(list.contains("  ok*  "), "{list}");
}

#[test]
fn where_github_fails_the_exit_code_says_so() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &token);

    github.fault(Fault::on("GET /user").refuse(502, "Bad Gateway"));
    let ran = broker.home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    let words = "1 not checked, GitHub failed";
    assert!(ran.stdout.contains(words), "{ran:?}");
    let json = broker.home.ctl(&["secret", "check", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["summary"]["not_checked"], 1);
}

#[test]
fn where_github_limits_whoever_it_is_the_exit_code_says_to_come_back() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &token);
    github.fault(Fault::on("GET /user").secondary_limit(Some(60)));
    for asked in [1, 0] {
        github.forget_calls();
        let ran = broker.home.ctl(&["secret", "check"]);
        assert_eq!(ran.code(), Some(75), "{ran:?}");
        let words = "1 not checked, limited by GitHub";
        assert!(ran.stdout.contains(words), "{ran:?}");
        assert_eq!(github.calls("GET /user"), asked);
    }
}

#[test]
fn a_user_whom_wrong_credentials_locked_out_is_not_asked_for_again() {
    let (good, also_good) = (classic_token(), classic_token());
    let dead = [classic_token(), classic_token()];
    let long_ago = "2026-11-01T00:00:00Z".parse().unwrap();
    let ended =
        |token: &str| Pat::classic(token, "acme-bot", &[]).expires(long_ago, ExpiryHeader::Utc);
    let github = StandIn::start(
        World::new()
            .pat(ended(&dead[0]))
            .pat(ended(&dead[1]))
            .classic(&good, "acme-bot", &["project", "read:org"])
            .classic(&also_good, "acme-bot", &["repo:status", "read:org"]),
    );
    github.change(|state| state.settings.lockout_after = 2);
    let broker = started(&github, SYSTEM);
    for (name, token) in NAMES.iter().zip([&dead[0], &dead[1], &good, &also_good]) {
        set(&broker, name, token);
    }
    // Two refusals lock the user out; what comes third is told so; the fourth is not asked for.
    let ran = broker.home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(1), "the refused ones are certain: {ran:?}");
    let words = "2 checked: 0 ok, 0 with warnings, 2 with errors; 2 not checked, limited by GitHub";
    assert!(ran.stdout.contains(words), "{ran:?}");
    assert_eq!(github.calls("GET /user"), 3);

    let ran = broker.home.ctl(&["secret", "check", NAMES[2], NAMES[3]]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert_eq!(github.calls("GET /user"), 3);
    let status = broker.home.ctl(&["status"]).success();
    assert!(status.contains("lock_out"), "{status}");
    let doctor = broker.home.ctl(&["doctor"]);
    let words = "GitHub locked user acme-bot out after several wrong credentials";
    assert!(doctor.stdout.contains(words), "{doctor:?}");
}

#[test]
fn a_value_that_no_request_can_carry_is_found_without_asking() {
    let github = StandIn::start(World::new().user("acme-bot"));
    let broker = started(&github, SYSTEM);
    // An App's key, and declared as something else only when it was stored.
    set(&broker, "import-app", AppKey::generate().pem());
    let declared = "[secret.import-app]\nkind = \"classic\"\n";
    broker.home.policy("later.toml", declared);
    broker.reload();
    let check = checked(&broker, "import-app");
    assert_eq!(faults(&check), ["not_a_token"]);
    assert!(github.journal().is_empty());
    let ran = broker.home.ctl(&["secret", "check"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
}

#[test]
fn what_is_known_of_a_value_from_the_environment_is_known_after_a_restart() {
    let token = classic_token();
    let soon = "2126-11-01T00:00:00Z";
    let github = StandIn::start(
        World::new().pat(
            Pat::classic(&token, "acme-bot", &["repo", "workflow"])
                .expires(soon.parse().unwrap(), ExpiryHeader::Utc),
        ),
    );
    let home = home(
        "[secret.org-label-sync-token]\nkind = \"classic\"\nowner = \"acme-bot\"\n\
         scopes = [\"repo\", \"workflow\"]\nsource = \"env:LABEL_SYNC\"\n",
    );
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let with = |home: Home, value: &str| {
        TestBroker::start(home, |tokend| {
            tokend.env("LABEL_SYNC", value);
        })
    };
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let ends = |broker: &TestBroker| broker.http("GET", &path, "").json()["expires_at"].clone();
    let broker = with(home, &token);
    assert_eq!(ends(&broker), Value::Null);
    assert_eq!(checked(&broker, NAMES[0])["verdict"], "ok");
    assert_eq!(ends(&broker), soon);
    let broker = with(broker.stop(), &token);
    assert_eq!(ends(&broker), soon);
    let broker = with(broker.stop(), &classic_token());
    assert_eq!(
        ends(&broker),
        Value::Null,
        "of another value nothing is known"
    );
}

#[test]
fn a_new_value_is_stored_whatever_github_does() {
    let token = classic_token();
    let github = StandIn::start(World::new().classic(&token, "acme-bot", &["repo", "workflow"]));
    let home = home(SYSTEM);
    home.github(&github, "poll_every = \"off\"");
    let broker = home.start();
    github.fault(Fault::on("GET /user").refuse(502, "Bad Gateway"));
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let put = |more: Value| {
        let mut body = json!({"value": token});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (status, set) = ask(
            &broker,
            "PUT",
            "/v1/secrets/{name}",
            &path,
            &body.to_string(),
        );
        assert_eq!(status, 200, "{set}");
        set
    };
    let set = put(json!({}));
    let warnings = set["warnings"].to_string();
    assert!(
        warnings.contains("it is stored, and not checked yet"),
        "{warnings}"
    );
    github.heal();
    github.forget_calls();
    assert_eq!(put(json!({"check": false}))["warnings"], json!([]));
    assert_eq!(github.calls("GET /user"), 0);
    let shown = broker.http("GET", &path, "").json();
    assert_eq!(shown["version"], 2);
    assert_eq!(shown["check"], Value::Null);
}

#[test]
fn a_token_that_github_refuses_is_asked_for_once_and_not_three_times() {
    let github = StandIn::start(World::new().user("acme-bot"));
    let broker = started(&github, SYSTEM);
    set(&broker, NAMES[0], &classic_token());
    let check = checked(&broker, NAMES[0]);
    assert_eq!(faults(&check), ["not_accepted"]);
    assert_eq!(github.calls("GET /user"), 1);
}
