//! A token that GitHub does not know everywhere yet.

use std::io::{Error, ErrorKind};

use axum::body::Body;
use futures_util::stream;
use tokio::task::JoinHandle;

use super::*;

impl Setting {
    /// GitHub answers so many calls with a new token with 401.
    fn slow_to_know(&self, calls: u32) {
        self.github
            .change(|state| state.settings.replication_calls = calls);
    }

    /// Begins what cannot be sent twice.
    fn begin_long(&self, lease: &Lease) -> JoinHandle<Answer> {
        let long = json!({"title": "long", "body": "x".repeat(100_000)}).to_string();
        let issues = "/repos/acme/one/issues";
        let asked = request(&self.github, &lease.token, ("POST", issues, &long));
        self.broker.begin_proxied(asked)
    }

    /// Has the waits between tries pass.
    fn pass_waits(&self, calls: usize) {
        for tries in 1..=calls {
            self.github
                .wait_for_calls("* /repos/acme/one/labels", tries);
            self.broker.clock.advance(Duration::from_secs(tries as u64));
        }
    }
}

#[test]
fn a_request_is_sent_again_until_github_knows_the_token() {
    let setting = Setting::new();
    setting.slow_to_know(2);
    let lease = setting.take();
    let asked = request(&setting.github, &lease.token, ("GET", ONE, ""));
    let waiting = setting.broker.begin_proxied(asked);
    setting.pass_waits(2);
    assert_eq!(setting.broker.finished(waiting).status, 200);
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 3);
    assert_eq!(setting.mints(), 1);
    wait::until(|| !setting.broker.home.records_of("proxy.response").is_empty());
    let answers = setting.broker.home.records_of("proxy.response");
    assert_eq!(answers.len(), 1, "one request");
    assert_eq!(answers[0]["status"], 200);
}

#[test]
fn a_short_write_is_sent_again_whole() {
    let setting = Setting::new();
    setting.slow_to_know(1);
    let lease = setting.take();
    let asked = request(&setting.github, &lease.token, ("POST", ONE, A_LABEL));
    let waiting = setting.broker.begin_proxied(asked);
    setting.pass_waits(1);
    assert_eq!(setting.broker.finished(waiting).status, 201);
    let names = setting.github.change(|state| state.labels("acme/one"));
    assert_eq!(names, ["bug"]);
    wait::until(|| !setting.broker.home.records_of("proxy.response").is_empty());
    let outcome = &setting.broker.home.records_of("proxy.response")[0];
    assert_eq!(outcome["sent"], A_LABEL.len(), "of the last try");
}

#[test]
fn what_cannot_be_sent_twice_waits_until_a_token_is_known() {
    let setting = Setting::new();
    let known_after = Duration::from_secs(10);
    setting
        .github
        .change(|state| state.settings.replication_delay = known_after);
    let lease = setting.take();
    let waiting = setting.begin_long(&lease);
    wait::until(|| setting.issued().len() == 1);
    setting.advance(Duration::from_secs(9));
    setting.stays(|| setting.github.calls("POST /repos/acme/one/issues") == 0);
    setting.advance(Duration::from_secs(1));
    assert_eq!(setting.broker.finished(waiting).status, 201);
}

#[test]
fn what_waited_for_a_new_token_is_not_sent_once_the_store_is_locked() {
    let setting = Setting::new();
    let lease = setting.take();
    let long = setting.begin_long(&lease);
    wait::until(|| setting.issued().len() == 1);
    setting.slow_to_know(1);
    let other = setting.take_with(&json!({"fresh": true}));
    let asked = request(&setting.github, &other.token, ("GET", ONE, ""));
    let refused = setting.broker.begin_proxied(asked);
    wait::until(|| {
        let calls = setting.github.journal();
        calls.iter().any(|call| call.status == Some(401))
    });
    setting.broker.lock();
    setting.advance(Duration::from_secs(10));
    for waiting in [long, refused] {
        assert_refused(&setting.broker.finished(waiting), 503, "locked");
    }
    assert_eq!(setting.github.calls("POST /repos/acme/one/issues"), 0);
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 1);
}

#[test]
fn a_short_body_that_does_not_come_whole_is_not_sent_and_nothing_is_in_doubt() {
    let setting = Setting::new();
    let lease = setting.take();
    for (kind, status) in [(ErrorKind::UnexpectedEof, 400), (ErrorKind::TimedOut, 408)] {
        let cut = stream::iter([Ok("{"), Err(Error::from(kind))]);
        let asked = request(&setting.github, &lease.token, ("POST", ONE, A_LABEL));
        let asked = asked.map(|_whole| Body::from_stream(cut));
        let answer = setting.broker.proxied(asked);
        assert_refused(&answer, status, "bad_request");
        let message = answer.json()["message"].to_string();
        says(&message, &["the body of the request"]);
        assert!(!message.contains("it may have happened"), "{message}");
    }
    assert_eq!(setting.github.calls("POST /repos/acme/one/labels"), 0);
}

#[test]
fn many_requests_with_a_new_token_find_out_once_whether_github_knows_it() {
    let setting = Setting::new();
    setting.slow_to_know(2);
    let lease = setting.take();
    let ask = |_| {
        let asked = request(&setting.github, &lease.token, ("GET", ONE, ""));
        setting.broker.begin_proxied(asked)
    };
    let asked: Vec<_> = (0..30).map(ask).collect();
    setting.pass_waits(2);
    for waiting in asked {
        assert_eq!(setting.broker.finished(waiting).status, 200);
    }
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 32);
}

#[test]
fn a_token_that_github_never_knows_is_ended_and_the_next_request_gets_another() {
    let setting = Setting::new();
    setting.slow_to_know(1000);
    let lease = setting.take();
    let asked = request(&setting.github, &lease.token, ("GET", ONE, ""));
    let waiting = setting.broker.begin_proxied(asked);
    setting.pass_waits(4);
    let answer = setting.broker.finished(waiting);
    assert_refused(&answer, 502, "upstream_refused");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(setting.github.calls("GET /repos/acme/one/labels"), 5);
    wait::until(|| setting.broker.home.records_of("token.revoked").len() == 1);
    setting.slow_to_know(0);
    setting.advance(2 * MINUTE);
    setting.works(&lease);
    assert_eq!(setting.mints(), 2);
}

#[test]
fn a_token_that_died_at_github_is_replaced_and_one_refusal_of_a_path_ends_none() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    setting.advance(MINUTE);
    let odd = Fault::on("GET /repos/acme/one/labels").refuse(401, "Bad credentials");
    setting.github.fault(odd.times(1));
    let answer = setting.get(&lease);
    assert_refused(&answer, 502, "upstream_refused");
    let message = answer.json()["message"].to_string();
    says(
        &message,
        &["installation token", APP, "send the request again"],
    );
    setting.works(&lease);
    assert_eq!(setting.mints(), 1, "GitHub accepts it");

    setting.github.change(|state| {
        for token in state.minted_tokens() {
            state.revoke(&token);
        }
    });
    assert_refused(&setting.get(&lease), 502, "upstream_refused");
    setting.works(&lease);
    assert_eq!(setting.mints(), 2);
    let revoked = setting.broker.home.records_of("token.revoked");
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0]["how"], "GitHub did not accept it any more");
    assert!(setting.broker.home.records_of("secret.checked").is_empty());
}

#[test]
fn of_many_requests_that_are_refused_together_one_has_the_token_checked() {
    let setting = Setting::new();
    let lease = setting.take();
    setting.works(&lease);
    setting.advance(MINUTE);
    let labels = "GET /repos/acme/one/labels";
    setting.github.fault(Fault::on(labels).hold());
    let ask = |_| {
        let asked = request(&setting.github, &lease.token, ("GET", ONE, ""));
        setting.broker.begin_proxied(asked)
    };
    let asked: Vec<_> = (0..10).map(ask).collect();
    setting.github.wait_for_calls(labels, 11);
    setting.github.change(|state| {
        for token in state.minted_tokens() {
            state.revoke(&token);
        }
    });
    setting.github.heal();
    for waiting in asked {
        let status = setting.broker.finished(waiting).status;
        assert!(matches!(status, 200 | 502), "{status}");
    }
    assert_eq!(setting.github.calls("GET /rate_limit"), 1);
    setting.works(&lease);
    assert_eq!(setting.mints(), 2);
}
