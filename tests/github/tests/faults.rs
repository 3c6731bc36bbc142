//! Each fault does what its description says: before the request is processed, or after it.

use std::fs;

use serde_json::{Value, json};

use super::super::{Effect, Fault, StandIn, World};
use crate::github::ask::{Got, ask, send, tell};
use crate::wait;

const TOKEN: &str = "ghp_standin0000000000000000000000000004";
const ISSUES: &str = "POST /repos/acme/site/issues";

fn github() -> StandIn {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site");
    StandIn::start(world.classic(TOKEN, "acme-bot", &["repo"]))
}

fn open_issue(github: &StandIn) -> (Got, usize) {
    let got = tell(github, ISSUES, TOKEN, &json!({"title": "one"}));
    (got, github.change(|state| state.issues("acme/site").len()))
}

/// Nothing came back, for this reason of curl's.
const EMPTY_REPLY: i32 = 52;
const PARTIAL: i32 = 18;
const TIMED_OUT: i32 = 28;

#[test]
fn a_connection_closed_before_leaves_nothing_and_after_leaves_all() {
    let github = github();
    github.fault(Fault::on(ISSUES).close_before().times(1));
    let (got, issues) = open_issue(&github);
    assert_eq!((got.code, issues), (EMPTY_REPLY, 0));
    github.fault(Fault::on(ISSUES).lose_reply().times(1));
    let (got, issues) = open_issue(&github);
    assert_eq!((got.code, issues), (EMPTY_REPLY, 1));
    let (got, issues) = open_issue(&github);
    assert_eq!((got.status, issues), (201, 2));
    let journal = github.journal();
    let seen: Vec<_> = journal
        .iter()
        .map(|call| (call.fault, call.processed, call.status))
        .collect();
    let wanted = [
        (Some("close_before"), false, None),
        (Some("lose_reply"), true, None),
        (None, true, Some(201)),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn a_call_that_hangs_is_in_the_journal_without_an_answer() {
    let github = github();
    github.fault(Fault::on("* /**").hang().times(1));
    github.fault(Fault::on("* /**").effect(Effect::HangAfter).times(1));
    for issues in [0, 1] {
        let got = send(
            &github,
            ISSUES,
            TOKEN,
            &["--max-time", "1", "--data", r#"{"title":"x"}"#],
        );
        assert_eq!(got.code, TIMED_OUT);
        assert_eq!(
            github.change(|state| state.issues("acme/site").len()),
            issues
        );
    }
    assert!(github.journal().iter().all(|call| call.status.is_none()));
}

#[test]
fn bodies_break_off_or_are_something_else() {
    let github = github();
    github.fault(Fault::on(ISSUES).truncate().times(1));
    let (got, issues) = open_issue(&github);
    assert_eq!((got.code, got.status, issues), (PARTIAL, 201, 1));
    assert!(serde_json::from_str::<Value>(&got.body).is_err() && !got.body.is_empty());
    github.fault(Fault::on("GET /user").not_json().times(1));
    github.fault(Fault::on("GET /user").wrong_json().times(1));
    github.fault(
        Fault::on("GET /user")
            .patch_body(json!({"login": "mallory", "id": null}))
            .times(1),
    );
    let bodies = [(); 3].map(|()| ask(&github, "GET /user", TOKEN).body);
    assert!(bodies[0].starts_with("<html>"));
    assert_eq!(bodies[1], r#"["unexpected"]"#);
    let patched: Value = serde_json::from_str(&bodies[2]).unwrap();
    assert_eq!(
        (&patched["login"], patched.get("id")),
        (&json!("mallory"), None)
    );
}

#[test]
fn refusals_redirects_and_limits_come_when_told_and_as_often() {
    let github = github();
    github.fault(
        Fault::on("GET /user")
            .refuse(502, "Server Error")
            .after(1)
            .times(1),
    );
    github.fault(
        Fault::on("GET /user")
            .redirect("https://elsewhere.example/user")
            .after(1)
            .times(1),
    );
    github.fault(
        Fault::on("GET /user")
            .secondary_limit(Some(17))
            .after(1)
            .times(1),
    );
    github.fault(
        Fault::on("GET /user")
            .effect(Effect::PrimaryLimit {
                status: 429,
                reset_in: 90,
            })
            .times(1),
    );
    let answers = [(); 6].map(|()| ask(&github, "GET /user", TOKEN));
    let statuses = answers.iter().map(|got| got.status).collect::<Vec<_>>();
    // Each fault counts the calls that those before it let pass.
    assert_eq!(statuses, [429, 502, 302, 403, 200, 200]);
    assert_eq!(answers[0].header("x-ratelimit-remaining").unwrap(), "0");
    assert_eq!(
        answers[2].header("location").unwrap(),
        "https://elsewhere.example/user"
    );
    assert_eq!(answers[3].header("retry-after").unwrap(), "17");
    github.fault(Fault::on("GET /user").refuse(500, "Server Error"));
    assert_eq!(ask(&github, "GET /user", TOKEN).status, 500);
    github.heal();
    assert_eq!(ask(&github, "GET /user", TOKEN).status, 200);
}

#[test]
fn held_calls_wait_for_each_other() {
    let github = github();
    github.fault(Fault::on("GET /user").hold());
    std::thread::scope(|scope| {
        let calls = [(); 4].map(|()| scope.spawn(|| ask(&github, "GET /user", TOKEN).status));
        github.wait_for_calls("GET /user", 4);
        assert!(github.journal().iter().all(|call| call.status.is_none()));
        github.heal();
        assert_eq!(calls.map(|call| call.join().unwrap()), [200; 4]);
    });
}

#[test]
fn its_clock_may_be_told_wrong() {
    let github = github();
    github.change(|state| state.settings.date_skew = -300);
    let date = ask(&github, "GET /user", TOKEN).header("date").unwrap();
    let said = jiff::fmt::rfc2822::parse(&date.replace("GMT", "+0000"))
        .unwrap()
        .timestamp();
    let now = github.change(|state| state.clock.now());
    let behind = now.duration_since(said).as_secs();
    assert!((300..360).contains(&behind), "{behind}");
}

#[test]
fn it_is_steered_from_outside_in_json() {
    let github = StandIn::start(World::new());
    let say = |command: Value| {
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "--silent",
            "--data",
            &command.to_string(),
            &github.control(),
        ]);
        let output = curl.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let world = json!({
        "organizations": {"acme": ["acme-bot"]},
        "repositories": [{"full_name": "acme/site"}],
        "tokens": [
            {"token": TOKEN, "login": "acme-bot", "kind": {"classic": {"scopes": ["repo"]}}},
            {"token": "github_pat_1", "login": "acme-bot", "kind": {"fine-grained": {
                "owner": "acme", "repositories": {"selected": ["acme/site"]},
                "permissions": {"contents": "read"},
            }}},
        ],
    });
    assert_eq!(say(json!({"add": world})), "{}");
    assert_eq!(
        ask(&github, "GET /repos/acme/site", "github_pat_1").status,
        200
    );
    let fault = json!({"on": "GET /user", "times": 1, "effect": {"refuse": {"status": 503, "message": "no"}}});
    assert_eq!(say(json!({"fault": fault})), "{}");
    assert_eq!(ask(&github, "GET /user", TOKEN).status, 503);
    assert_eq!(
        say(json!({"settings": {"date_skew": 5, "revocation_delay": 0}})),
        "{}"
    );
    assert_eq!(github.change(|state| state.settings.date_skew), 5);
    assert_eq!(say(json!({"revoke": TOKEN})), "{}");
    assert_eq!(ask(&github, "GET /user", TOKEN).status, 401);
    assert!(say(json!({"settings": {"date_skw": 5}})).contains("date_skw"));
    assert!(say(json!({"suspend": {"account": "nobody", "suspended": true}})).contains("nothing"));
    let mut curl = std::process::Command::new("curl");
    let journal = curl
        .args(["--silent", &format!("{}/journal", github.control())])
        .output()
        .unwrap();
    let journal: Value = serde_json::from_slice(&journal.stdout).unwrap();
    assert_eq!(journal.as_array().unwrap().len(), 3);
    assert!(!journal.to_string().contains(TOKEN));
}

#[test]
fn the_rest_of_a_body_comes_once_it_is_released() {
    let github = github();
    github.fault(Fault::on("GET /user").hold_rest(1001).times(1));
    let file = tempfile::NamedTempFile::new().unwrap();
    let written = || fs::read_to_string(file.path()).unwrap();
    let body = || {
        let text = written();
        text.split_once("\r\n\r\n")
            .map_or(0, |(_, body)| body.len())
    };
    let output = ["--no-buffer", "--output", file.path().to_str().unwrap()];
    let released = std::thread::scope(|scope| {
        let asking = scope.spawn(|| send(&github, "GET /user", TOKEN, &output));
        wait::until(|| body() == 500);
        github.release();
        asking.join().unwrap()
    });
    assert_eq!((released.code, body()), (0, 1001));
    assert!(written().contains("content-length: 1001\r\n"));
}
