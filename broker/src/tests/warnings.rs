//! Warnings reach people once: by the log, a hook, a webhook, and across restarts.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use broker_protocol::causes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::scenes::warnings::{heard, hook};
use support::{Home, canary, wait};

use super::InProcess;
use super::in_process::ready;

const SECRET: &str = "org-label-sync-token";
const OTHER: &str = "other-token";

/// Stores a value that ends so many days after the broker started.
fn set(broker: &InProcess, name: &str, value: &str, days: i32) {
    let status = broker.http("GET", "/v1/status", "").json();
    let started = status["broker"]["started_at"].as_str().unwrap();
    let started: Timestamp = started.parse().unwrap();
    let ends = started + SignedDuration::from_hours(24) * days;
    let body = json!({ "value": value, "expires_at": ends, "check": false });
    let path = format!("/v1/secrets/{name}");
    broker.done("PUT", &path, &body.to_string());
}

/// A home whose broker holds a value that ends in five days, stopped before it warned of that.
fn ending_soon() -> Home {
    loop {
        let home = ready();
        home.policy("other.toml", "[secret.other-token]\nkind = 'classic'\n");
        let broker = InProcess::start(home);
        set(&broker, SECRET, canary::CLASSIC, 5);
        let home = broker.stop();
        // On a busy machine the first round may come only now.
        if home.records_of("deadline.warned").is_empty() {
            return home;
        }
    }
}

fn channels(broker: &InProcess) -> Value {
    let status = broker.http("GET", "/v1/status", "").json();
    status["broker"]["warning_channels"].clone()
}

fn waiting(broker: &InProcess) -> Value {
    channels(broker)[0]["waiting"].clone()
}

#[test]
fn a_deadline_is_warned_of_once_across_restarts_and_again_for_a_new_value() {
    let home = ending_soon();
    let file = hook(&home, "");
    let broker = InProcess::start(home);
    wait::until(|| waiting(&broker) == 0 && heard(&file).len() == 1);
    let warning = heard(&file).remove(0);
    assert_eq!(warning["kind"], "deadline");
    assert_eq!(warning["secret"], SECRET);
    assert_eq!(warning["state"], "due");
    let text = warning["text"].as_str().unwrap();
    let start = "`org-label-sync-token` ends at GitHub on ";
    assert!(text.starts_with(start), "{text}");
    let records = broker.home.records_of("deadline.warned");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["days_left"], warning["days_left"]);
    assert_eq!(records[0]["version"], 1);

    // Killed, so that no good order is needed for this. The first of another secret shows that the
    // deadlines were checked again.
    let broker = broker.restarted();
    set(&broker, OTHER, canary::CLASSIC_TWO, 6);
    let broker = broker.killed(|_| {});
    wait::until(|| heard(&file).len() > 1);
    set(&broker, SECRET, canary::CLASSIC_TWO, 6);
    let broker = broker.restarted();
    wait::until(|| waiting(&broker) == 0 && heard(&file).len() > 2);
    let metrics = broker.http("GET", "/metrics", "");
    let metrics = String::from_utf8(metrics.body).unwrap();
    let figure = "tokend_warnings_waiting{channel=\"hook\"} 0";
    assert!(metrics.contains(figure), "{metrics}");
    let said: Vec<(Value, Value)> = heard(&file)
        .iter()
        .map(|warning| (warning["secret"].clone(), warning["version"].clone()))
        .collect();
    let want = [(SECRET, 1), (OTHER, 1), (SECRET, 2)].map(|(name, n)| (name.into(), n.into()));
    assert_eq!(said, want);
    assert_eq!(broker.home.records_of("deadline.warned").len(), 3);
}

#[test]
fn a_hook_that_hangs_keeps_no_broker_from_serving_or_stopping() {
    let home = ending_soon();
    let file = hook(&home, "sleep 600");
    let broker = InProcess::start(home);
    wait::until(|| heard(&file).len() == 1);
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let home = broker.stop();
    assert_eq!(home.records_of("broker.stopped").len(), 2);
}

#[test]
fn a_configuration_that_names_no_program_or_would_warn_in_the_clear_is_refused() {
    let home = ready();
    home.config("[warnings]\nwebhook = 'http://s3cret.example/'\n");
    let refused = InProcess::try_start(home).err().unwrap();
    let why = causes::describe(&refused.1);
    assert!(why.contains("tokend.toml:2: `webhook` must be"), "{why}");
    assert!(!why.contains("s3cret"));
    refused.0.config("[warnings]\nhook = ['page']\n");
    let refused = InProcess::try_start(refused.0).err().unwrap();
    let why = causes::describe(&refused.1);
    assert!(why.contains("the absolute path of a program"), "{why}");
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
    let broker = InProcess::start_tracing_all(home);
    let refused = answer(&listener, "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
    wait::until(|| channels(&broker)[0]["failing_since"].is_string());
    let status = broker.http("GET", "/v1/status", "").body;
    let metrics = broker.http("GET", "/metrics", "").body;
    let shown = [status, metrics].concat();
    assert!(shown.windows(10).any(|w| w == b"status 410"));
    assert!(!shown.windows(6).any(|w| w == b"s3cret"));

    let broker = InProcess::start_tracing_all(broker.stop());
    let told = answer(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(told, refused);
    assert_eq!(told["warnings"][0]["secret"], SECRET);
    wait::until(|| channels(&broker)[0]["waiting"] == 0);
    let home = broker.stop();
    let trace = home.trace();
    assert!(
        trace.contains("TRACE") && !trace.contains("s3cret"),
        "{trace}"
    );
    assert!(!home.records().concat().contains("s3cret"));
}
