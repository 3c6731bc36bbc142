//! Proxy tokens: shown with the command that uses them, and kept from what cannot use them. `exec` is in
//! `tunnel`.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use nix::pty::openpty;
use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, lease, out, purpose};

const LEASE: &str = "0123456789abcdef0123456789abcdef";
const ASKED: &str = "protocol=https\nhost=github.com\n\n";

/// The answer with a lease on a proxy token, whose socket has a path that a shell would split.
fn proxy_lease() -> Value {
    let mut answer: Value = serde_json::from_str(&lease("tkp_canary")).unwrap();
    let proxy = json!({
        "socket": "/run/my tokend/proxy.sock", "api": "http://api.github.com",
        "requests": 0, "refused": 0, "refused_by_github": 0
    });
    let fields = answer.as_object_mut().unwrap();
    fields.insert("deliver".to_owned(), json!("proxy"));
    fields.insert("enforced_by".to_owned(), json!("broker"));
    fields.insert("proxy".to_owned(), proxy);
    answer
}

/// A broker with these purposes that gives a proxy lease to each caller.
fn broker(purposes: &[(&str, &str)]) -> FakeBroker {
    let views = purposes
        .iter()
        .map(|(name, deliver)| purpose(name, deliver));
    let views: Vec<Value> = views.collect();
    FakeBroker::answering(move |seen| match seen.line.split_once(' ').unwrap() {
        ("GET", "/v1/purposes") => (200, json!({ "purposes": views }).to_string()),
        ("GET", path) => {
            let name = path.strip_prefix("/v1/purposes/").unwrap();
            let view = views.iter().find(|view| view["purpose"] == name).unwrap();
            (200, view.to_string())
        }
        ("DELETE", _) => (200, json!({"lease": LEASE, "recorded": true}).to_string()),
        _ => (201, proxy_lease().to_string()),
    })
}

fn lines(broker: &FakeBroker) -> Vec<String> {
    broker.seen().into_iter().map(|seen| seen.line).collect()
}

#[test]
fn get_prints_the_token_alone_and_the_command_that_uses_it_only_on_a_terminal() {
    let broker = broker(&[("labels", "proxy")]);
    let piped = broker.run(&["get", "labels"]);
    assert_eq!((out(&piped), err(&piped)), ("tkp_canary\n", ""));

    let terminal = openpty(None, None).unwrap();
    let mut get = broker.tokenctl(&["get", "labels"]);
    get.stdout(Stdio::piped()).stderr(terminal.slave);
    let got = get.spawn().unwrap().wait_with_output().unwrap();
    // Closes its end of the terminal, which is otherwise never at its end.
    drop(get);
    assert_eq!(out(&got), "tkp_canary\n");
    let mut shown = Vec::new();
    // The other side has gone: that is an error to a terminal, once all was read.
    drop(File::from(terminal.master).read_to_end(&mut shown));
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        "tokenctl: note: the token works only through the broker: `tokenctl exec label-sync -- \
         COMMAND`, or curl --unix-socket '/run/my tokend/proxy.sock' -H \"Authorization: Bearer $TOKEN\" http://api.github.com/…\r\n"
    );
}

#[test]
fn a_purpose_says_how_its_token_is_used() {
    let broker = broker(&[("labels", "proxy")]);
    let shown = broker.run(&["purpose", "show", "labels"]);
    let note = "tokenctl: note: proxy: the token works only through the broker: under `tokenctl exec \
                labels -- COMMAND`, or over its socket, as `tokenctl get` shows\n";
    assert_eq!(err(&shown), note);
    assert!(shown.status.success(), "{shown:?}");
}

#[test]
fn a_proxy_purpose_that_no_rule_gives_is_asked_for_so_that_its_denial_is_recorded() {
    let broker = FakeBroker::answering(|seen| {
        let mut view = purpose("labels", "proxy");
        view["rule"] = Value::Null;
        match &*seen.line {
            "GET /v1/purposes" => (200, json!({ "purposes": [view] }).to_string()),
            line if line.starts_with("GET") => (200, view.to_string()),
            _ => (
                403,
                json!({
                    "type": "urn:tokend:error:denied", "title": "not allowed", "status": 403,
                    "code": "denied", "detail": "not allowed (audit record 7)"
                })
                .to_string(),
            ),
        }
    });
    let exec = broker.run(&["exec", "labels", "--", "true"]);
    assert_eq!(exec.status.code(), Some(125));
    let git = broker.run_with(&["git-credential", "--purpose", "labels", "get"], ASKED);
    assert_eq!((out(&git), git.status.code()), ("quit=1\n", Some(3)));
    for got in [exec, git] {
        assert!(err(&got).contains("audit record 7"), "{got:?}");
    }
}

#[test]
fn git_credential_leaves_a_proxy_purpose_to_the_next_helper_and_takes_no_lease() {
    let broker = broker(&[("labels", "proxy"), ("other", "proxy")]);
    for args in [
        &["git-credential", "get"][..],
        &["git-credential", "--purpose", "labels", "get"],
    ] {
        let got = broker.run_with(args, ASKED);
        assert_eq!((out(&got), got.status.code()), ("", Some(0)), "{got:?}");
        assert_eq!(
            err(&got),
            "tokenctl: note: `labels` delivers a proxy token, which GitHub does not know; git asks \
             its next helper\n"
        );
    }
    assert_eq!(lines(&broker), ["GET /v1/purposes"; 2]);
}

#[test]
fn git_credential_takes_another_purpose_that_fits_rather_than_a_proxy_one() {
    let views = [purpose("labels", "proxy"), purpose("clone", "raw")];
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/purposes" => (200, json!({ "purposes": views }).to_string()),
        _ => (201, lease("ghp_canary")),
    });
    let got = broker.run_with(&["git-credential", "get"], ASKED);
    assert!(out(&got).contains("password=ghp_canary\n"), "{got:?}");
    assert_eq!(broker.seen()[1].json()["purpose"], "clone");
}

#[test]
fn git_credential_revokes_a_lease_that_became_a_proxy_lease_meanwhile() {
    let broker = broker(&[("labels", "raw")]);
    let got = broker.run_with(&["git-credential", "get"], ASKED);
    assert_eq!((out(&got), got.status.code()), ("", Some(0)), "{got:?}");
    assert!(err(&got).contains("which GitHub does not know"), "{got:?}");
    let revoke = format!("DELETE /v1/leases/{LEASE}");
    assert_eq!(lines(&broker)[1..], ["POST /v1/leases".to_owned(), revoke]);
}

#[test]
fn lease_list_and_show_tell_refusals_here_from_those_of_github() {
    let mut used = proxy_lease();
    used.as_object_mut().unwrap().remove("token");
    let mut unused = used.clone();
    unused["proxy"]["requests"] = json!(7);
    used["proxy"] = json!({
        "socket": "/run/tokend/proxy.sock", "api": "http://api.github.com", "requests": 12,
        "refused": 3, "refused_by_github": 2, "last_refusal": "`GET /user\x1b` needs a line in `paths`"
    });
    let mut raw: Value = serde_json::from_str(&lease("ghp_canary")).unwrap();
    raw.as_object_mut().unwrap().remove("token");
    let show = used.clone();
    let list = json!({ "leases": [used, unused, raw] });
    let broker = FakeBroker::answering(move |seen| match &*seen.line {
        "GET /v1/leases" => (200, list.to_string()),
        _ => (200, show.to_string()),
    });

    let listed = broker.run(&["lease", "list"]);
    let rows: Vec<&str> = out(&listed).lines().collect();
    assert!(rows[0].contains("  ENFORCED BY  ") && rows[0].ends_with("  REQUESTS"));
    for (row, by, requests) in [
        (
            rows[1],
            "broker",
            "12 passed on (2 refused by GitHub), 3 refused by the broker",
        ),
        (rows[2], "broker", "7 passed on"),
        (rows[3], "none", "-"),
    ] {
        assert!(row.contains(&format!("  {by}  ")), "{row}");
        assert!(row.ends_with(&format!("  {requests}")), "{row}");
    }

    let shown = broker.run(&["lease", "show", LEASE]);
    let shown: Vec<(&str, &str)> = out(&shown)
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    for field in [
        ("enforced by", "broker"),
        ("socket", "/run/tokend/proxy.sock"),
        ("address", "http://api.github.com"),
        ("passed on to GitHub", "12 since the broker started"),
        ("refused by GitHub", "2"),
        (
            "refused by the broker",
            "3; the last one: `GET /user\\u{1b}` needs a line in `paths`",
        ),
    ] {
        assert!(shown.contains(&field), "{field:?}: {shown:?}");
    }

    let json = broker.run(&["lease", "show", LEASE, "--json"]);
    let json: Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["proxy"]["refused_by_github"], 2);
}

#[test]
fn a_list_without_a_proxy_lease_has_no_column_for_requests() {
    let mut raw: Value = serde_json::from_str(&lease("ghp_canary")).unwrap();
    raw.as_object_mut().unwrap().remove("token");
    let broker = FakeBroker::answering(move |_| (200, json!({ "leases": [raw] }).to_string()));
    let listed = broker.run(&["lease", "list"]);
    assert!(!out(&listed).contains("REQUESTS"), "{listed:?}");
    assert!(out(&listed).contains("ENFORCED BY"), "{listed:?}");
}
