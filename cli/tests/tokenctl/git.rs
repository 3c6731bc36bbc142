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
fn where_the_purpose_is_not_plain_git_is_told_to_quit_and_stderr_says_why() {
    let two = broker(&["clone", "other"]).run_with(&["git-credential", "get"], ASKED);
    assert_eq!(out(&two), "quit=1\n");
    assert!(err(&two).contains("`clone`, `other`"), "{}", err(&two));
    let config = "`git config --global credential.https://github.com.useHttpPath true`";
    assert!(err(&two).contains(config), "{}", err(&two));
    assert!(err(&two).contains("`tokenctl setup-git`"), "{}", err(&two));
    let none = broker(&[]).run_with(&["git-credential", "get"], ASKED);
    assert_eq!(out(&none), "quit=1\n");
}

#[test]
fn two_purposes_for_the_repository_tell_git_to_quit_and_name_what_to_write() {
    let broker = broker(&["clone", "other"]);
    let asked = "protocol=https\nhost=github.com\npath=acme/site.git\n\n";
    let got = broker.run_with(&["git-credential", "get"], asked);
    assert_eq!((out(&got), got.status.code()), ("quit=1\n", Some(1)));
    assert!(
        err(&got).contains("`acme/site`: `clone`, `other`"),
        "{}",
        err(&got)
    );
    let line = "`tokenctl setup-git --local --only --purpose clone`";
    assert!(err(&got).contains(line), "{}", err(&got));
}

#[test]
fn a_repository_that_no_purpose_covers_is_left_to_the_next_helper_unless_strict() {
    let broker = broker(&["clone"]);
    let asked = "protocol=https\nhost=github.com\npath=other/site.git\n\n";
    let left = broker.run_with(&["git-credential", "get"], asked);
    assert_eq!((out(&left), left.status.code()), ("", Some(0)));
    assert_eq!(
        err(&left),
        "tokenctl: note: no purpose gives you the contents of `other/site`; git asks its next helper\n"
    );
    let strict = broker.run_with(&["git-credential", "--strict", "get"], asked);
    assert_eq!((out(&strict), strict.status.code()), ("quit=1\n", Some(1)));
    let named = "tokenctl: error: no purpose gives you the contents of `other/site`\n";
    assert!(err(&strict).starts_with(named), "{}", err(&strict));
    let lines: Vec<_> = broker.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /v1/purposes"; 2], "no lease is asked for");
}

#[test]
fn a_named_purpose_that_does_not_cover_the_repository_is_refused_and_tells_git_to_quit() {
    let problem = Problem::new(ErrorCode::TooWide, "repository `other/site`");
    let refusal = (problem.status, serde_json::to_string(&problem).unwrap());
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/purposes" => (200, purposes(&["clone"])),
        _ => refusal.clone(),
    });
    let asked = "protocol=https\nhost=github.com\npath=other/site.git\n\n";
    let got = broker.run_with(&["git-credential", "--purpose", "clone", "get"], asked);
    assert_eq!((out(&got), got.status.code()), ("quit=1\n", Some(3)));
}

#[test]
fn the_several_spellings_of_one_repository_are_asked_for_as_that_repository() {
    let broker = broker(&["clone"]);
    let spellings = [
        ("github.com", "acme/site"),
        ("GitHub.com", "Acme/Site.git"),
        ("github.com:443", "acme/site/"),
        ("www.github.com", "acme/site.git/"),
        ("github.com.", "acme/site.git\r"),
    ];
    for (host, path) in spellings {
        let asked = format!("protocol=https\r\nhost={host}\r\npath={path}\n\n");
        let got = broker.run_with(&["git-credential", "get"], &asked);
        assert!(
            out(&got).contains("password=ghp_canary"),
            "{host} {path}: {got:?}"
        );
    }
    let leases: Vec<_> = broker
        .seen()
        .into_iter()
        .filter(|seen| seen.line.starts_with("POST"))
        .collect();
    assert_eq!(leases.len(), spellings.len());
    for lease in leases {
        assert_eq!(
            lease.json()["repositories"],
            serde_json::json!(["acme/site"])
        );
    }
}

#[test]
fn what_is_no_repository_tells_git_to_quit() {
    let broker = broker(&["clone"]);
    for path in ["acme", "acme/site.git.git", "acme/*"] {
        let asked = format!("protocol=https\nhost=github.com\npath={path}\n\n");
        let got = broker.run_with(&["git-credential", "get"], &asked);
        assert_eq!(
            (out(&got), got.status.code()),
            ("quit=1\n", Some(2)),
            "{path}"
        );
        assert!(err(&got).contains("is not a repository"), "{}", err(&got));
    }
}

#[test]
fn a_token_for_an_enterprise_server_does_not_go_to_github_com() {
    let mut view = purpose("clone", "raw");
    view["git"] = "https://ghe.acme.test".into();
    let body = serde_json::json!({ "purposes": [view] }).to_string();
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/purposes" => (200, body.clone()),
        _ => (201, lease("ghp_canary")),
    });
    for args in [
        &["git-credential", "get"][..],
        &["git-credential", "--purpose", "clone", "get"],
    ] {
        let got = broker.run_with(args, ASKED);
        assert_eq!((out(&got), got.status.code()), ("", Some(0)));
        assert_eq!(
            err(&got),
            "tokenctl: note: the broker's tokens are for https://ghe.acme.test, and git asks for github.com; \
             git asks its next helper\n"
        );
    }
    let asked = "protocol=https\nhost=GHE.acme.test:443\n\n";
    let args = ["git-credential", "--host", "ghe.acme.test", "get"];
    assert!(out(&broker.run_with(&args, asked)).contains("password=ghp_canary"));
}

#[test]
fn a_wrong_command_line_and_a_wrong_environment_tell_git_to_quit_too() {
    let broker = broker(&["clone"]);
    for args in [
        &["git-credential", "--purpose", "Bad_Name", "get"][..],
        &["git-credential", "--host", "https://ghe.test/", "get"],
        &["git-credential", "--nonsense", "get"],
    ] {
        let got = broker.run_with(args, ASKED);
        assert_eq!(
            (out(&got), got.status.code()),
            ("quit=1\n", Some(2)),
            "{args:?}"
        );
    }
    for (name, value, said) in [
        (
            "TOKEND_GIT_HOSTS",
            "a.test,https://x:ghp_a@ghe.test/",
            "TOKEND_GIT_HOSTS: not a host; write `ghe.test`",
        ),
        (
            "TOKEND_PURPOSE",
            "Bad_Name",
            "TOKEND_PURPOSE: `Bad_Name` is not a purpose",
        ),
    ] {
        let mut wrong = broker.tokenctl(&["git-credential", "get"]);
        let got = feed(wrong.env(name, value), ASKED);
        assert_eq!(
            (out(&got), got.status.code()),
            ("quit=1\n", Some(2)),
            "{name}"
        );
        assert!(err(&got).contains(said), "{}", err(&got));
    }
    let help = broker.run(&["git-credential", "--help"]);
    assert!(!out(&help).contains("quit=1"));
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
