//! Connections, when there are not enough for all.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use support::{Home, TestBroker, canary, http, wait};

/// A broker with two connections for everyone, that holds a secret.
fn narrow() -> TestBroker {
    let home = Home::ready();
    home.config("[limits]\nconnections = 2\nconnections_per_account = 2\n");
    let broker = home.start();
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    broker
}

fn half_sent(broker: &TestBroker, what: &str) -> UnixStream {
    let mut stream = http::connect(&broker.socket());
    stream.write_all(what.as_bytes()).unwrap();
    stream
}

fn was_closed(mut stream: UnixStream) -> bool {
    let mut rest = Vec::new();
    // An answer that says why, or none.
    stream.read_to_end(&mut rest).is_err() || rest.is_empty() || rest.starts_with(b"HTTP/1.1 429")
}

#[test]
fn half_sent_requests_make_room_and_what_an_operator_asks_is_answered_meanwhile() {
    let broker = narrow();
    let head = "POST /v1/leases HTTP/1.1\r\nhost: localhost\r\n";
    let without_end = half_sent(&broker, head);
    let without_body = format!("{head}content-length: 23\r\n\r\n");
    let without_body = half_sent(&broker, &without_body);
    assert_eq!(broker.http("GET", "/v1/status", "").status, 200);
    wait::until(|| broker.lease(r#"{"purpose":"label-sync"}"#).status == 201);
    wait::until(|| broker.lease(r#"{"purpose":"label-sync"}"#).status == 201);
    assert!(was_closed(without_end));
    broker.home.ctl(&["lock", "--revoke"]).success();
    drop(without_body);
}
