//! A lease ends no later than policy says: by time, by hand, by policy, across restarts and locks.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::broker::LABEL_SYNC;
use support::{Home, TestBroker, accounts, canary, needs, wait};

/// A purpose of the tests' own account with this `[[allow]]` caller and ttl.
fn policy(caller: &str, ttl: &str) -> String {
    LABEL_SYNC
        .replace("{ uid = UID }", caller)
        .replace(r#"{ default = "15m", max = "1h" }"#, ttl)
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn own() -> String {
    format!("{{ uid = {} }}", own_uid())
}

fn with_ttl(ttl: &str) -> TestBroker {
    let home = Home::ready();
    home.policy("label-sync.toml", &policy(&own(), ttl));
    let broker = home.start();
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
    broker
}

/// Takes a lease and returns its path.
fn take(broker: &TestBroker, more: &str) -> String {
    let answer = broker.lease(&format!(r#"{{"purpose":"label-sync"{more}}}"#));
    assert_eq!(answer.status, 201, "{:?}", answer.head);
    path_of(&answer.json())
}

fn path_of(lease: &Value) -> String {
    format!("/v1/leases/{}", lease["lease"].as_str().unwrap())
}

fn is_live(broker: &TestBroker, path: &str) -> bool {
    match broker.http("GET", path, "").status {
        200 => true,
        404 => false,
        status => panic!("{status}"),
    }
}

fn at(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The one record of this kind, which must be about this lease.
fn only(home: &Home, kind: &str, path: &str) -> Value {
    let mut records = home.records_of(kind);
    assert_eq!(records.len(), 1, "{records:?}");
    let record = records.remove(0);
    assert!(path.ends_with(record["lease"].as_str().unwrap()));
    record
}

#[test]
fn p5_a_lease_ends_when_its_time_is_over_and_that_is_recorded() {
    let broker = TestBroker::with_label_sync();
    let short = take(&broker, r#","ttl":1"#);
    let long = take(&broker, "");
    assert!(is_live(&broker, &short));
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
    assert!(!is_live(&broker, &short));
    assert!(is_live(&broker, &long));
    let expired = only(&broker.home, "lease.expired", &short);
    assert_eq!(expired["why"], "ttl");
    let granted = &broker.home.records_of("lease.granted")[0];
    assert!(at(&expired["time"]) >= at(&granted["expires_at"]));
}

#[test]
fn a_revoked_lease_is_gone_at_once_and_the_answer_says_what_that_did_not_do() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let answer = broker.http("DELETE", &lease, "");
    assert_eq!(answer.status, 200);
    let revoked = answer.json();
    assert_eq!(revoked["recorded"], true);
    let warning = revoked["warning"].as_str().unwrap();
    assert!(warning.contains("still holds `org-label-sync-token`"));
    assert!(!is_live(&broker, &lease));
    let record = only(&broker.home, "lease.revoked", &lease);
    assert_eq!(record["by"]["pid"], std::process::id());

    let again = broker.http("DELETE", &lease, "");
    assert_eq!(
        (again.status, &again.json()["code"]),
        (404, &json!("unknown_lease"))
    );
    let renewed = broker.http("POST", &format!("{lease}/renew"), "");
    assert_eq!(renewed.status, 404);
}

#[test]
fn p5_renewals_end_where_the_first_grant_said_they_would() {
    let broker = TestBroker::with_label_sync();
    let first = broker.lease(r#"{"purpose":"label-sync","ttl":60}"#).json();
    let renew = |body: &str| broker.http("POST", &format!("{}/renew", path_of(&first)), body);

    let renewed = renew("").json();
    assert_eq!(renewed["lease"], first["lease"]);
    assert!(at(&renewed["expires_at"]) > at(&first["expires_at"]));
    let mut audit_seq = renewed["audit_seq"].clone();
    for _ in 0..3 {
        let renewed = renew(r#"{"ttl":3600}"#).json();
        assert_eq!(renewed["issued_at"], first["issued_at"]);
        assert!(at(&renewed["expires_at"]) <= at(&first["renewable_until"]));
        assert!(at(&renewed["renewable_until"]) <= at(&first["renewable_until"]));
        audit_seq = renewed["audit_seq"].clone();
    }
    let records = broker.home.records_of("lease.renewed");
    assert_eq!(records.len(), 4);
    assert_eq!(records[3]["seq"], audit_seq);
}

#[test]
fn p5_what_was_renewed_to_the_last_second_cannot_be_renewed_again() {
    let broker = with_ttl(r#"{ default = "1s", max = "2s" }"#);
    let lease = take(&broker, r#","ttl":2"#);
    let renew = || broker.http("POST", &format!("{lease}/renew"), "");
    // Less than a second is left at some point, and then it ends.
    wait::until(|| renew().status != 200);
    wait::until(|| !is_live(&broker, &lease));
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
    let granted = broker.home.records_of("lease.granted");
    let end = at(&granted[0]["renewable_until"]);
    for renewed in broker.home.records_of("lease.renewed") {
        assert!(at(&renewed["expires_at"]) <= end);
    }
}

#[test]
fn a_renewal_that_asks_too_much_is_refused_and_the_lease_keeps_its_end() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let before = broker.http("GET", &lease, "").json();
    let answer = broker.http("POST", &format!("{lease}/renew"), r#"{"ttl":3601}"#);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (403, &json!("too_wide"))
    );
    assert_eq!(broker.http("GET", &lease, "").json(), before);
    assert!(broker.home.records_of("lease.renewed").is_empty());
    let denied = broker.home.records_of("lease.denied");
    assert_eq!(denied[0]["code"], "too_wide");
}

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

#[test]
fn p5_a_reload_ends_the_leases_that_the_new_policies_would_not_grant() {
    let hour = r#"{ default = "15m", max = "1h" }"#;
    let tightened = [
        ("another caller", policy("{ uid = 4242 }", hour)),
        (
            "a shorter life",
            policy(&own(), r#"{ default = "1m", max = "1m" }"#),
        ),
        (
            "fewer permissions",
            policy(&own(), hour).replace("write", "read"),
        ),
        (
            "other repositories",
            policy(&own(), hour).replace("acme/*", "acme/one"),
        ),
    ];
    for (why, text) in tightened {
        for by_signal in [true, false] {
            let broker = TestBroker::with_label_sync();
            let lease = take(&broker, "");
            broker.home.policy("label-sync.toml", &text);
            if by_signal {
                broker.signal(Signal::SIGHUP);
                wait::until(|| !is_live(&broker, &lease));
            } else {
                let answer = broker.http("POST", "/v1/policies/reload", "");
                assert_eq!(answer.status, 200);
                assert!(!is_live(&broker, &lease), "{why}");
            }
            wait::until(|| !broker.home.records_of("lease.revoked").is_empty());
            let revoked = only(&broker.home, "lease.revoked", &lease);
            assert_eq!(revoked["why"], "no longer allowed by policy");
            assert!(revoked.get("by").is_none(), "the broker did");
        }
    }
}

#[test]
fn a_reload_leaves_alone_what_the_new_policies_still_allow() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, r#","permissions":{"issues":"read"},"ttl":60"#);
    let before = broker.http("GET", &lease, "").json();
    let text = policy(&own(), r#"{ default = "1m", max = "1m" }"#).replace("write", "read");
    broker.home.policy("label-sync.toml", &text);
    let reloaded = broker.http("POST", "/v1/policies/reload", "").json();
    assert_eq!(reloaded["revoked"], json!([]));
    assert_eq!(broker.http("GET", &lease, "").json(), before);
}

#[test]
fn a_refused_set_of_policies_leaves_the_old_one_in_force_loudly() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let fault = || broker.http("GET", "/v1/status", "").json()["broker"]["policy_fault"].clone();
    assert_eq!(fault(), Value::Null);

    broker
        .home
        .policy("broken.toml", "purpose = \"broken\"\nnonsense = 1\n");
    let answer = broker.http("POST", "/v1/policies/reload", "");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!("bad_request"))
    );
    assert!(
        fault().as_str().unwrap().contains("broken.toml:2"),
        "{}",
        fault()
    );
    assert!(is_live(&broker, &lease), "the old set is in force");
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let refused = broker.home.records_of("policy.refused");
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0]["why"]
            .as_str()
            .unwrap()
            .contains("broken.toml:2")
    );
    assert!(broker.home.trace().contains("the old ones stay in force"));

    broker.signal(Signal::SIGHUP);
    wait::until(|| broker.home.records_of("policy.refused").len() == 2);
    assert!(is_live(&broker, &lease));

    fs::remove_file(broker.home.places.policies.join("broken.toml")).unwrap();
    broker.signal(Signal::SIGHUP);
    wait::until(|| fault() == Value::Null);
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

#[test]
fn a_lease_until_caller_exit_outlives_the_connection_and_not_the_process() {
    if !needs::program("python3") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let (mut caller, lease) = caller_until_exit(&broker);
    assert!(is_live(&broker, &lease), "its connection is closed already");
    caller.kill().unwrap();
    caller.wait().unwrap();
    wait::until(|| !is_live(&broker, &lease));
    wait::until(|| !broker.home.records_of("lease.expired").is_empty());
    let expired = only(&broker.home, "lease.expired", &lease);
    assert_eq!(expired["why"], "caller_exit");
}

#[test]
fn p5_a_caller_that_exits_while_the_broker_is_down_ends_its_lease_all_the_same() {
    if !needs::program("python3") {
        return;
    }
    for stays in [true, false] {
        let broker = TestBroker::with_label_sync();
        let (mut caller, lease) = caller_until_exit(&broker);
        let home = broker.kill();
        if !stays {
            caller.kill().unwrap();
            caller.wait().unwrap();
        }
        let broker = home.start();
        assert_eq!(is_live(&broker, &lease), stays);
        caller.kill().ok();
        caller.wait().unwrap();
        wait::until(|| !is_live(&broker, &lease));
    }
}

#[test]
fn p5_a_restart_keeps_live_leases_with_their_end_and_revives_none_that_ended() {
    for kill in [true, false] {
        let broker = TestBroker::with_label_sync();
        let kept = take(
            &broker,
            r#","permissions":{"issues":"read"},"reason":"kept""#,
        );
        let renewed = take(&broker, r#","ttl":60"#);
        let renewal = broker.http("POST", &format!("{renewed}/renew"), "");
        assert_eq!(renewal.status, 200);
        let revoked = take(&broker, "");
        assert_eq!(broker.http("DELETE", &revoked, "").status, 200);
        let over = take(&broker, r#","ttl":1"#);
        let view = |broker: &TestBroker, path: &str| broker.http("GET", path, "").json();
        let before = (view(&broker, &kept), view(&broker, &renewed));

        let home = if kill { broker.kill() } else { broker.stop() };
        let broker = home.start();
        let mut after = (view(&broker, &kept), view(&broker, &renewed));
        // Wrong: the number of the record is lost. The log's list of live leases has only bodies.
        for (then, now) in [(&before.0, &mut after.0), (&before.1, &mut after.1)] {
            assert_eq!(now["audit_seq"], 0);
            now["audit_seq"] = then["audit_seq"].clone();
        }
        assert_eq!(before, after, "kill: {kill}");
        assert!(!is_live(&broker, &revoked));
        wait::until(|| !is_live(&broker, &over));

        // And they can still be ended, for good.
        assert_eq!(broker.http("DELETE", &kept, "").status, 200);
        let broker = broker.kill().start();
        assert!(!is_live(&broker, &kept));
        assert!(is_live(&broker, &renewed));
    }
}

#[test]
fn p5_a_lease_whose_time_ran_out_while_the_broker_was_down_is_not_honoured() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, r#","ttl":1"#);
    let home = broker.kill();
    let end = at(&home.records_of("lease.granted")[0]["expires_at"]);
    wait::until(|| broker_clock() > end);
    let broker = home.start();
    assert!(!is_live(&broker, &lease));
    assert_eq!(only(&broker.home, "lease.expired", &lease)["why"], "ttl");
}

/// The wall clock, as a file's time shows it: tests have no clock of their own.
fn broker_clock() -> Timestamp {
    let file = tempfile::NamedTempFile::new().unwrap();
    let modified = file.as_file().metadata().unwrap().modified().unwrap();
    Timestamp::try_from(modified).unwrap()
}

#[test]
fn p5_a_revocation_that_could_not_be_recorded_survives_a_kill() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let segment = broker.home.places.audit.join("00000000000000000000.jsonl");
    let away = broker.home.path().join("away");
    fs::rename(&segment, &away).unwrap();
    let revoked = broker.http("DELETE", &lease, "").json();
    assert_eq!(revoked["recorded"], false);
    let home = broker.kill();
    fs::rename(&away, &segment).unwrap();
    let broker = home.start();
    assert!(!is_live(&broker, &lease), "the vault remembers");
    let expired = only(&broker.home, "lease.expired", &lease);
    assert_eq!(expired["why"], "revoked; the record of it was lost");
}

#[test]
fn p5_a_start_with_tighter_policies_ends_what_they_no_longer_allow() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let home = broker.stop();
    let text = policy(&own(), r#"{ default = "1m", max = "1m" }"#);
    home.policy("label-sync.toml", &text);
    let broker = home.start();
    assert!(!is_live(&broker, &lease));
    let revoked = only(&broker.home, "lease.revoked", &lease);
    assert_eq!(revoked["why"], "no longer allowed by policy");
}

#[test]
fn a_locked_broker_hands_out_nothing_and_live_leases_keep_their_end() {
    let broker = TestBroker::with_label_sync();
    let long = take(&broker, "");
    let short = take(&broker, r#","ttl":1"#);
    assert_eq!(broker.http("POST", "/v1/lock", "").status, 200);

    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &json!("locked"))
    );
    let get = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!((get.code(), get.stdout.as_str()), (Some(5), ""));
    assert_eq!(broker.http("GET", "/readyz", "").status, 503);
    let renewed = broker.http("POST", &format!("{long}/renew"), "");
    assert_eq!(renewed.json()["code"], "locked");
    assert!(is_live(&broker, &long));
    wait::until(|| !is_live(&broker, &short));
    let list = broker.http("GET", "/v1/leases", "").json();
    assert_eq!(list["leases"].as_array().unwrap().len(), 1, "the long one");

    assert_eq!(broker.http("DELETE", &long, "").json()["recorded"], true);
    assert_eq!(broker.http("POST", "/v1/unlock", "").status, 200);
    assert!(!is_live(&broker, &long), "revoked while locked");
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    for kind in ["vault.locked", "vault.unlocked"] {
        assert!(!broker.home.records_of(kind).is_empty(), "{kind}");
    }
}

#[test]
fn p5_after_a_start_without_the_root_key_leases_are_honoured_once_it_is_there() {
    let broker = TestBroker::with_label_sync();
    let kept = take(&broker, "");
    let home = broker.stop();
    let key = home.places.root_key.clone();
    let away = home.path().join("away");
    fs::rename(&key, &away).unwrap();

    let broker = home.start();
    assert!(!is_live(&broker, &kept), "locked: no lease is honoured");
    assert_eq!(
        broker.lease(r#"{"purpose":"label-sync"}"#).json()["code"],
        "locked"
    );
    let refused = broker.http("POST", "/v1/unlock", "");
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (502, &json!("source_unavailable"))
    );
    assert_eq!(broker.home.records_of("vault.unlock_refused").len(), 1);

    fs::rename(&away, &key).unwrap();
    assert_eq!(broker.http("POST", "/v1/unlock", "").status, 200);
    assert!(is_live(&broker, &kept));
}
