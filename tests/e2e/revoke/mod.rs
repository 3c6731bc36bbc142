//! A lease ends no later than policy says. Here: by time, by hand, with its caller.

mod reload;
mod restart;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use serde_json::json;
use support::broker::own_uid;
use support::scenes::leases::{is_live, only, path_of, policy, take};
use support::{Home, TestBroker, accounts, canary, needs, wait};

#[test]
fn a_lease_that_is_renewed_by_a_process_no_rule_knows_ends() {
    const CURL: &str = "/usr/bin/curl";
    if !needs::path(CURL) {
        return;
    }
    let home = Home::ready();
    let caller = format!("{{ uid = {}, exe = {CURL:?} }}", own_uid());
    let hour = r#"{ default = "15m", max = "1h" }"#;
    home.policy("label-sync.toml", &policy(&caller, hour));
    let broker = home.start();
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
    let by_curl =
        |method, path: &str, body| accounts::request(&broker, own_uid(), method, path, body);
    let taken = by_curl("POST", "/v1/leases", r#"{"purpose":"label-sync"}"#);
    assert_eq!(taken.status, 201);
    let renew = format!("{}/renew", path_of(&taken.json()));
    assert_eq!(by_curl("POST", &renew, "").status, 200);

    let answer = broker.http("POST", &renew, "");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("denied"))
    );
    assert_eq!(by_curl("POST", &renew, "").status, 404);
    let path = path_of(&taken.json());
    let revoked = only(&broker.home, "lease.revoked", &path);
    assert_eq!(
        revoked["why"],
        "no longer allowed when it was to be renewed"
    );
}

/// A process that takes a lease until it exits and then waits.
fn caller_until_exit(broker: &TestBroker) -> (Child, String) {
    let script = r#"
import http.client, json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
c = http.client.HTTPConnection("localhost")
c.sock = s
c.request("POST", "/v1/leases", '{"purpose":"label-sync","until":"caller_exit"}')
print(json.loads(c.getresponse().read())["lease"], flush=True)
s.close()
sys.stdin.read()
"#;
    let mut python = broker.home.command(Path::new("python3"));
    python
        .args(["-c", script])
        .arg(broker.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    (child, format!("/v1/leases/{}", line.trim()))
}
