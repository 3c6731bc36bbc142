//! P1, P9: no byte of a write goes to GitHub before its record is on disk; and a broker killed amid one leaves a log
//! that verifies, and a lease that goes on.

use support::github::{Effect, Fault};
use support::strace::Killer;
use support::{kills, needs};

use super::*;
use crate::crash::{SystemCalls, synced_by};

const ISSUES: &str = "/repos/acme/site/issues";

fn issue(title: &str) -> String {
    json!({ "title": title }).to_string()
}

impl Scene {
    /// After a kill: what is on record is whole, the lease goes on, and its value is opened on a further record.
    #[track_caller]
    fn goes_on(self, lease: &Lease, how: &str) -> Self {
        let opened = |broker: &TestBroker| broker.home.records_of("lease.issued").len();
        let scene = Self {
            broker: self.broker.kill().start(),
            ..self
        };
        scene.ctl(&["audit", "verify"]);
        let before = opened(&scene.broker);
        let outcomes = |broker: &TestBroker| broker.home.records_of("proxy.response").len();
        let outcomes_before = outcomes(&scene.broker);
        let answer = scene.ask(&format!("GET {LABELS}"), &lease.token, "");
        assert_eq!(answer.status, 200, "{how}: {answer:?}");
        assert_eq!(opened(&scene.broker), before + 1, "{how}");
        // No one waits for that record, and nothing else is to be written when the next kill is set.
        wait::until(|| outcomes(&scene.broker) > outcomes_before);
        scene
    }
}

#[test]
fn p1_no_byte_of_a_write_goes_to_github_before_its_record_is_on_disk() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let github = StandIn::start(world());
    let home = Home::ready();
    home.policy("label-sync.toml", &own(PURPOSE));
    // Without TLS, so that what goes out can be read.
    home.github_at(&github.plain(), github.ca(), QUIET);
    let broker = home.start();
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    let system_calls = SystemCalls::of(&broker);
    let token = broker.lease(r#"{"purpose":"label-sync"}"#).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let host = github.plain().replace("http://", "");
    for number in 0..10 {
        let body = issue(&format!("issue {number}"));
        let request = format!(
            "POST {ISSUES} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             user-agent: a-script\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = http::connect(&broker.proxy_socket());
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(http::read_answer(&mut stream).unwrap().status, 201);
    }
    let home = broker.stop();
    let calls = system_calls.end();
    let requests = home.records_of("proxy.request");
    assert_eq!(requests.len(), 10);
    let carries = |at: &usize| calls[*at].contains(canary::CLASSIC);
    let sent: Vec<_> = (0..calls.len()).filter(carries).collect();
    assert_eq!(
        sent.len(),
        requests.len(),
        "each is sent once, and the token goes nowhere else"
    );
    for (at, request) in sent.into_iter().zip(&requests) {
        assert!(
            calls[at].contains(&format!("POST {ISSUES}")),
            "{}",
            calls[at]
        );
        let record = format!(r#"\"seq\":{},"#, request["seq"]);
        assert!(
            synced_by(&calls, &[&record, "proxy.request"], at),
            "{request}"
        );
    }
}

#[test]
fn p9_killed_at_any_call_of_a_write_github_heard_of_nothing_that_is_not_on_record() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let mut scene = Some(Scene::new());
    let lease = scene.as_ref().unwrap().lease();
    // What it writes to disk, syncs, and sends to GitHub and the caller.
    for calls in ["pwrite64", "fdatasync", "sendto,writev"] {
        let killed = kills::at_calls(|nth| {
            let (after, killed) = scene.take().unwrap().killed_at(&lease, calls, nth);
            scene = Some(after);
            killed
        });
        assert!(killed >= 1, "{calls}: never killed");
    }
}

impl Scene {
    /// Killed at this call while a caller writes, and started again. Whether it was killed before the answer.
    fn killed_at(self, lease: &Lease, calls: &str, nth: usize) -> (Self, bool) {
        let how = format!("killed at {calls} {nth}");
        let killer = Killer::at(&self.broker, calls, nth);
        let answer = self.try_ask(&format!("POST {ISSUES}"), &lease.token, &issue(&how));
        let is_over = wait::is_soon(|| answer.is_some() || self.broker.is_dead());
        assert!(is_over, "{how}: neither an answer nor an end");
        drop(killer);
        let after = self.goes_on(lease, &how);
        let on_record = after.broker.home.records_of("proxy.request").len();
        let heard = after.github.calls(&format!("POST {ISSUES}"));
        assert!(
            heard <= on_record,
            "{how}: GitHub heard of {heard}, {on_record} are on record"
        );
        after.assert_all_within();
        (after, answer.is_none())
    }
}

#[test]
fn p9_killed_while_github_is_asked_the_log_says_that_it_may_have_happened() {
    let scene = Scene::new();
    let lease = scene.lease();
    let asked = Fault::on(&format!("POST {ISSUES}"));
    scene.github.fault(asked.effect(Effect::HangAfter).times(1));
    let body = issue("made");
    let headers = format!("content-length: {}\r\n", body.len());
    let request = scene.request(&format!("POST {ISSUES}"), &lease.token, &headers, &body);
    let mut waiting = scene.send(request.as_bytes());
    let made = |scene: &Scene| scene.github.change(|state| state.issues("acme/site"));
    wait::until(|| made(&scene) == ["made"]);
    let scene = scene.goes_on(&lease, "asked");
    assert!(
        http::read_answer(&mut waiting).is_none(),
        "it had no answer"
    );
    let announced = scene.broker.home.records_of("proxy.request");
    assert_eq!(announced.len(), 1);
    let outcomes = scene.outcomes(1);
    let of_it = |one: &&Value| one["request"] == announced[0]["seq"];
    assert_eq!(outcomes.iter().find(of_it), None, "no one knows");
    assert_eq!(made(&scene), ["made"], "once");
}
