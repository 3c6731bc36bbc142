//! Where GitHub does not answer, refuses or limits: nothing is made up, and no one is asked twice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use support::described::ask;
use support::github::{AppKey, Effect, ExpiryHeader, Fault, Pat, StandIn, World, classic_token};
use support::scenes::checks::{checked, faults};

use super::super::InProcess;
use super::{NAMES, SYSTEM, home, set, started};

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
}

#[test]
fn what_is_known_of_a_value_from_a_file_is_known_after_a_restart() {
    let token = classic_token();
    let soon = "2126-11-01T00:00:00Z";
    let github = StandIn::start(
        World::new().pat(
            Pat::classic(&token, "acme-bot", &["repo", "workflow"])
                .expires(soon.parse().unwrap(), ExpiryHeader::Utc),
        ),
    );
    let home = home("");
    let file = home.path().join("token");
    home.policy(
        "secrets.toml",
        &format!(
            "[secret.org-label-sync-token]\nkind = \"classic\"\nowner = \"acme-bot\"\n\
             scopes = [\"repo\", \"workflow\"]\nsource = \"file:{}\"\n",
            file.display()
        ),
    );
    home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
    let holds = |value: &str| {
        fs::write(&file, value).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let ends = |broker: &InProcess| broker.http("GET", &path, "").json()["expires_at"].clone();
    holds(&token);
    let broker = InProcess::start(home);
    assert_eq!(ends(&broker), Value::Null);
    assert_eq!(checked(&broker, NAMES[0])["verdict"], "ok");
    assert_eq!(ends(&broker), soon);
    let broker = broker.restarted();
    assert_eq!(ends(&broker), soon);
    holds(&classic_token());
    let broker = broker.restarted();
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
    let broker = InProcess::start(home);
    github.fault(Fault::on("GET /user").refuse(502, "Bad Gateway"));
    let path = format!("/v1/secrets/{}", NAMES[0]);
    let put = |more: Value| {
        let mut body = json!({"value": token});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        let (status, set) = ask(&broker, "PUT", "/v1/secrets/{name}", &path, &body);
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
