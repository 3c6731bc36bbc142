//! Leases on a value that GitHub refuses: they are granted, and say so.

use serde_json::{Value, json};
use support::github::{Fault, StandIn, World};
use support::scenes::checks::checked;
use support::{canary, wait};

use super::*;

const NAME: &str = "org-label-sync-token";

fn github() -> StandIn {
    let world = World::new().organization("acme", &["acme-bot"]);
    let world = world.repository("acme/site");
    StandIn::start(
        world
            .classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"])
            .classic(canary::CLASSIC_TWO, "acme-bot", &["repo", "workflow"]),
    )
}

fn broker(github: &StandIn, poll: &str) -> InProcess {
    let home = ready();
    home.github(
        github,
        &format!("check_every = \"off\"\npoll_every = \"{poll}\""),
    );
    let broker = InProcess::start(home);
    broker.set(NAME, canary::CLASSIC);
    broker
}

fn secret(broker: &InProcess) -> Value {
    broker
        .http("GET", &format!("/v1/secrets/{NAME}"), "")
        .json()
}

fn lease(broker: &InProcess) -> Value {
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn warnings(broker: &InProcess) -> Vec<String> {
    let status = broker.http("GET", "/v1/status", "").json();
    serde_json::from_value(status["broker"]["warnings"].clone()).unwrap()
}

#[test]
fn a_lease_on_a_value_that_github_refused_says_so_until_there_is_a_new_one() {
    let github = github();
    let broker = broker(&github, "off");
    let before = lease(&broker);
    assert_eq!(before["rejected_since"], Value::Null);
    github.change(|state| state.revoke(canary::CLASSIC));
    let check = checked(&broker, NAME);
    let taken = lease(&broker);
    assert_eq!(taken["rejected_since"], check["checked_at"], "{taken}");
    assert_eq!(
        taken["token"],
        canary::CLASSIC,
        "policy decides, and not this"
    );
    let shown = broker.http("GET", &path_of(&before), "").json();
    assert_eq!(shown["rejected_since"], check["checked_at"]);
    assert_eq!(secret(&broker)["state"], "rejected");
    // One fault, one warning.
    let about: Vec<String> = warnings(&broker);
    assert_eq!(about.len(), 1, "{about:?}");
    assert!(
        about[0].starts_with(&format!("`{NAME}` is refused by GitHub")),
        "{about:?}"
    );
    assert_eq!(secret(&broker)["warnings"], json!(about));
    let figures = broker.http("GET", "/metrics", "").body;
    let figures = String::from_utf8(figures).unwrap();
    let line = format!("tokend_secret_state{{secret=\"{NAME}\",state=\"rejected\"}} 1");
    assert!(figures.contains(&line), "{figures}");

    let broker = broker.restarted();
    assert_eq!(lease(&broker)["rejected_since"], check["checked_at"]);
    broker.set(NAME, canary::CLASSIC_TWO);
    let taken = lease(&broker);
    assert_eq!(taken["rejected_since"], Value::Null, "{taken}");
    assert_eq!(secret(&broker)["state"], "ok");
    assert_eq!(warnings(&broker), [""; 0]);
    // Who was handed the old value still has it, and GitHub still refuses it.
    let shown = broker.http("GET", &path_of(&before), "").json();
    assert_eq!(shown["rejected_since"], check["checked_at"], "{shown}");
}

#[test]
fn a_lease_says_of_the_value_it_handed_out_that_it_is_refused_whatever_is_in_use_now() {
    let github = github();
    let broker = broker(&github, "off");
    let refused = lease(&broker);
    github.change(|state| state.revoke(canary::CLASSIC));
    let check = checked(&broker, NAME);
    broker.set(NAME, canary::CLASSIC_TWO);
    let accepted = lease(&broker);
    let since = |lease: &Value| {
        let shown = broker.http("GET", &path_of(lease), "").json();
        shown["rejected_since"].clone()
    };
    assert_eq!(since(&refused), check["checked_at"]);
    assert_eq!(since(&accepted), Value::Null);
    // Also where the vault keeps a check of the new value alone.
    checked(&broker, NAME);
    assert_eq!(since(&refused), check["checked_at"]);
    assert_eq!(since(&accepted), Value::Null);
    // What GitHub says of a later value says nothing of one that was replaced.
    broker.set(NAME, canary::CLASSIC);
    let check = checked(&broker, NAME);
    assert_eq!(since(&refused), check["checked_at"]);
    assert_eq!(since(&accepted), Value::Null);
}

#[test]
fn a_value_that_is_refused_at_a_use_is_rejected_before_any_check() {
    let github = github();
    let broker = broker(&github, "1s");
    github.change(|state| state.revoke(canary::CLASSIC));
    lease(&broker);
    wait::until(|| secret(&broker)["state"] == "rejected");
    assert!(lease(&broker)["rejected_since"].is_string());
    // The next round is due.
    broker.clock.advance(Duration::from_secs(2));
    broker.poll();
    let asked = github.calls("GET /rate_limit");
    assert_eq!(
        asked, 1,
        "asked with again and again, it locks its user out"
    );
    // GitHub accepts it again, which a check finds.
    github.change(|state| state.pat_mut(canary::CLASSIC).revoked = false);
    checked(&broker, NAME);
    assert_eq!(secret(&broker)["state"], "ok");
    assert_eq!(lease(&broker)["rejected_since"], Value::Null);
}

#[test]
fn where_github_could_not_be_asked_nothing_is_rejected() {
    let github = github();
    let broker = broker(&github, "off");
    checked(&broker, NAME);
    github.fault(Fault::on("GET /user").refuse(502, "Bad Gateway"));
    let check = format!("/v1/secrets/{NAME}/check");
    assert_eq!(broker.http("POST", &check, "").status, 503);
    assert_eq!(secret(&broker)["state"], "ok");
    assert_eq!(lease(&broker)["rejected_since"], Value::Null);
}

#[test]
fn an_expired_value_is_expired_and_nothing_else() {
    let github = github();
    let broker = broker(&github, "off");
    let body = json!({"value": canary::CLASSIC, "expires_at": "2026-01-01T00:00:00Z"});
    broker.done("PUT", &format!("/v1/secrets/{NAME}"), &body.to_string());
    github.change(|state| state.revoke(canary::CLASSIC));
    checked(&broker, NAME);
    assert_eq!(secret(&broker)["state"], "expired");
    let about = warnings(&broker);
    assert_eq!(about.len(), 1, "{about:?}");
    assert!(about[0].contains("ended at GitHub"), "{about:?}");
}
