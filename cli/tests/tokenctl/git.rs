//! `git-credential` as git drives it.

use broker_protocol::error::{ErrorCode, Problem};

use crate::fake_broker::{FakeBroker, err, feed, lease, out, purpose};

const ASKED: &str = "capability[]=authtype\nprotocol=https\nhost=github.com\n\n";

fn purposes(names: &[&str]) -> String {
    let views: Vec<_> = names.iter().map(|name| purpose(name, "raw")).collect();
    serde_json::json!({ "purposes": views }).to_string()
}

fn broker(names: &'static [&'static str]) -> FakeBroker {
    FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/purposes" => (200, purposes(names)),
        _ => (201, lease("ghp_canary")),
    })
}

#[test]
fn git_gets_a_user_a_password_and_its_end() {
    let broker = broker(&["clone"]);
    let got = broker.run_with(&["git-credential", "get"], ASKED);
    assert_eq!(
        out(&got),
        "username=x-access-token\npassword=ghp_canary\npassword_expiry_utc=1795245300\n"
    );
    assert_eq!(err(&got), "");
    assert_eq!(broker.seen()[1].body, r#"{"purpose":"clone","ttl":60}"#);
}

#[test]
fn the_repository_that_git_names_is_asked_for() {
    let broker = broker(&["clone"]);
    let asked = "protocol=https\nhost=github.com\npath=Acme/Site.git\n\n";
    broker.run_with(&["git-credential", "get"], asked);
    let want = serde_json::json!({"purpose": "clone", "repositories": ["acme/site"], "ttl": 60});
    assert_eq!(broker.seen()[1].json(), want);
}

#[test]
fn a_named_purpose_is_asked_for_whatever_others_there_are() {
    let broker = broker(&["clone", "other"]);
    let args = ["git-credential", "--purpose", "other", "get"];
    broker.run_with(&args, ASKED);
    assert_eq!(broker.seen()[1].body, r#"{"purpose":"other","ttl":60}"#);
    let mut by_environment = broker.tokenctl(&["git-credential", "get"]);
    feed(by_environment.env("TOKEND_PURPOSE", "clone"), ASKED);
    assert_eq!(broker.seen()[3].body, r#"{"purpose":"clone","ttl":60}"#);
    // One that is not listed is asked for all the same: the broker's refusal says why.
    let args = ["git-credential", "--purpose", "unlisted", "get"];
    broker.run_with(&args, ASKED);
    assert_eq!(broker.seen()[5].body, r#"{"purpose":"unlisted"}"#);
}

#[test]
fn where_the_purpose_is_not_plain_git_is_told_to_quit_and_the_person_why() {
    let two = broker(&["clone", "other"]).run_with(&["git-credential", "get"], ASKED);
    assert_eq!(out(&two), "quit=1\n");
    assert!(err(&two).contains("clone, other"), "{}", err(&two));
    let none = broker(&[]).run_with(&["git-credential", "get"], ASKED);
    assert_eq!(out(&none), "quit=1\n");
}

#[test]
fn a_refusal_tells_git_to_quit() {
    let broker = FakeBroker::refusing(&Problem::new(ErrorCode::Denied, "not allowed"));
    let got = broker.run_with(&["git-credential", "--purpose", "p", "get"], ASKED);
    assert_eq!((out(&got), got.status.code()), ("quit=1\n", Some(3)));
    let gone = [
        "git-credential",
        "--purpose",
        "p",
        "--socket",
        "/nonexistent/s",
        "get",
    ];
    let got = broker.run_with(&gone, ASKED);
    assert_eq!((out(&got), got.status.code()), ("quit=1\n", Some(4)));
}

#[test]
fn other_hosts_are_left_to_other_helpers_unless_named() {
    let broker = broker(&["clone"]);
    let asked = "protocol=http\nhost=127.0.0.1:8080\n\n";
    let silent = broker.run_with(&["git-credential", "get"], asked);
    assert_eq!((out(&silent), err(&silent)), ("", ""));
    assert!(broker.seen().is_empty());
    let mut named = broker.tokenctl(&["git-credential", "get"]);
    named.env("TOKEND_GIT_HOSTS", "ghe.test, 127.0.0.1:8080");
    assert!(out(&feed(&mut named, asked)).contains("password=ghp_canary"));
    let args = ["git-credential", "--host", "127.0.0.1:8080", "get"];
    assert!(out(&broker.run_with(&args, asked)).contains("password=ghp_canary"));
}

#[test]
fn store_erase_and_what_git_may_add_later_change_nothing() {
    let broker = broker(&["clone"]);
    let told = format!(
        "{}password=ghp_canary\n\n",
        ASKED.trim_end_matches('\n').to_owned() + "\n"
    );
    for operation in ["store", "erase", "capability"] {
        let got = broker.run_with(&["git-credential", operation], &told);
        assert_eq!((out(&got), got.status.code()), ("", Some(0)), "{operation}");
        assert!(!err(&got).contains("ghp_canary"));
    }
    assert!(broker.seen().is_empty());
}
