//! Warnings reach people once: by the log, the trace, a hook, a webhook, and across restarts.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::scenes::warnings::{heard, hook};
use support::{Home, TestBroker, canary, wait};

const SECRET: &str = "org-label-sync-token";

/// A date this many days after the broker started.
fn in_days(broker: &TestBroker, days: i32) -> String {
    let status = broker.http("GET", "/v1/status", "").json();
    let started: Timestamp = status["broker"]["started_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let date = started.checked_add(SignedDuration::from_hours(24) * days);
    date.unwrap().strftime("%Y-%m-%dT12:00:00Z").to_string()
}

fn set(broker: &TestBroker, name: &str, value: &str, expires: &str) {
    let arguments = ["secret", "set", name, "--expires", expires];
    broker.home.ctl_with(&arguments, value).success();
}

/// A home whose broker holds a value that ends in five days, stopped before it warned of that.
fn ending_soon() -> Home {
    let home = Home::ready();
    let broker = home.start();
    set(&broker, SECRET, canary::CLASSIC, &in_days(&broker, 5));
    let home = broker.stop();
    assert_eq!(home.records_of("deadline.warned").len(), 0);
    home
}

fn channels(broker: &TestBroker) -> Value {
    let status = broker.http("GET", "/v1/status", "").json();
    status["broker"]["warning_channels"].clone()
}

#[test]
fn a_hook_that_fails_holds_nothing_up_shows_in_status_and_is_told_after_the_next_start() {
    let home = ending_soon();
    let file = hook(&home, "echo 'no pager today' >&2; exit 3");
    let broker = home.start();
    wait::until(|| channels(&broker)[0]["failing_since"].is_string());
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(lease.status, 201);
    assert_eq!(channels(&broker)[0]["waiting"], 1);
    let status = broker.home.ctl(&["status"]).success();
    let why = "1 waiting, FAILS since ";
    assert!(status.contains(why), "{status}");
    assert!(status.contains("exit code 3: no pager today"), "{status}");
    let doctor = broker.home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1));
    let wrong =
        "wrong: warnings do not reach the hook (1 waiting): the hook ended with exit code 3";
    assert!(doctor.stdout.contains(wrong), "{doctor:?}");
    let home = broker.stop();

    // It had happened all the same: the next time it is told the same, by the same id.
    hook(&home, "");
    let broker = home.start();
    wait::until(|| heard(&file).len() > 1 && channels(&broker)[0]["waiting"] == 0);
    let heard = heard(&file);
    assert_eq!(heard[0], heard[1]);
    assert_eq!(broker.stop().records_of("deadline.warned").len(), 1);
}

/// Reads one request and gives this answer.
fn answer(listener: &TcpListener, answer: &str) -> Value {
    let (mut stream, _) = listener.accept().unwrap();
    let body = body_of(&mut stream);
    stream.write_all(answer.as_bytes()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn body_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

#[test]
fn a_webhook_is_told_and_its_url_is_in_nothing_that_the_broker_says() {
    let home = ending_soon();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    home.config(&format!(
        "[warnings]\nwebhook = 'http://127.0.0.1:{port}/services/s3cret?key=s3cret'\n"
    ));
    let broker = TestBroker::start(home, |tokend| {
        tokend.args(["--trace", "trace"]);
    });
    let refused = answer(&listener, "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
    wait::until(|| channels(&broker)[0]["failing_since"].is_string());
    let status = broker.http("GET", "/v1/status", "").body;
    let metrics = broker.http("GET", "/metrics", "").body;
    let shown = [status, metrics].concat();
    assert!(shown.windows(10).any(|w| w == b"status 410"));
    assert!(!shown.windows(6).any(|w| w == b"s3cret"));

    let broker = broker.stop().start();
    let told = answer(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(told, refused);
    assert_eq!(told["warnings"][0]["secret"], SECRET);
    wait::until(|| channels(&broker)[0]["waiting"] == 0);
    let home = broker.stop();
    assert!(!home.trace().contains("s3cret"), "{}", home.trace());
    assert!(!home.records().concat().contains("s3cret"));
}
