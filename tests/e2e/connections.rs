//! Connections, when there are not enough for all.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::json;
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

#[test]
fn too_many_connections_are_turned_away_with_an_answer() {
    let home = Home::ready();
    home.config("[limits]\nconnections = 2\n");
    let broker = home.start();
    let send = |request: &str| {
        let mut stream = http::connect(&broker.socket());
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    // Each with a request under way: it waits for a record that does not come.
    let waits = "GET /v1/audit/records?from=1000000&wait=30";
    let open = [send(waits), send(waits)];
    // An operator's third is given a place, and no lease there.
    let answer = http::read_answer(&mut send("POST /v1/leases")).expect("an answer");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (429, &json!("rate_limited"))
    );
    assert_eq!(answer.header("retry-after"), Some("1"));

    drop(open);
    wait::until(|| {
        let mut stream = http::connect(&broker.socket());
        // One that is turned away may be closed before it was written to.
        let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).is_ok()
            && http::read_answer(&mut stream).is_some_and(|answer| answer.status == 200)
    });
}
