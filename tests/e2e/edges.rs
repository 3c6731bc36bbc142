//! The edges of HTTP itself: what is malformed, too large, too slow or not there.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::json;
use support::{Home, TestBroker, http};

fn send(broker: &TestBroker, bytes: &[u8]) -> UnixStream {
    let mut stream = http::connect(&broker.socket());
    // It may be closed before all is written.
    stream.write_all(bytes).ok();
    stream
}

#[test]
fn a_body_is_at_most_64_kib_long_and_requests_sent_at_once_are_answered_in_order() {
    let broker = TestBroker::with_label_sync();
    let padded = |length: usize| {
        let body = r#"{"purpose":"label-sync"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(broker.lease(&padded(64 * 1024)).status, 201);
    let answer = broker.lease(&padded(64 * 1024 + 1));
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (413, &json!("bad_request"))
    );
    // Nor may it grow unannounced.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let head = "POST /v1/leases HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = send(&broker, format!("{head}{chunk}{chunk}").as_bytes());
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 413);

    let before = broker.home.records_of("lease.granted").len();
    let body = r#"{"purpose":"label-sync"}"#;
    let lease = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let health = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = send(&broker, format!("{lease}{lease}{health}").as_bytes());
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let statuses: Vec<_> = text
        .matches("HTTP/1.1 201")
        .chain(text.matches("HTTP/1.1 200"))
        .collect();
    assert_eq!(statuses.len(), 3, "{text}");
    assert!(text.ends_with(r#"{"status":"ok"}"#), "{text}");
    assert_eq!(broker.home.records_of("lease.granted").len(), before + 2);
}

#[test]
fn a_head_has_its_limits_in_size_and_time_and_what_is_not_http_is_refused() {
    let broker = Home::ready().start();
    // One that never finishes its head is cut off in the end.
    let half = b"GET /healthz HTTP/1.1\r\nhost: x\r\nslow";
    let slow = [broker.socket(), broker.proxy_socket()].map(|socket| {
        let mut stream = http::connect(&socket);
        stream.write_all(half).unwrap();
        stream
    });

    let many = "x: y\r\n".repeat(65);
    let long = format!("x: {}\r\n", "y".repeat(17 * 1024));
    for headers in [many, long] {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let mut stream = send(&broker, head.as_bytes());
        assert_eq!(http::read_answer(&mut stream).unwrap().status, 431);
    }
    let fits = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(60)
    );
    let mut stream = send(&broker, fits.as_bytes());
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 200);

    let mut stream = send(&broker, b"GET /healthz HTTP/1.0\r\n\r\n");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("closed after the answer");
    assert!(text.starts_with("HTTP/1.0 200"), "{text}");
    assert!(text.ends_with(r#"{"status":"ok"}"#), "{text}");

    let garbage: [&[u8]; 4] = [
        b"\0\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\0",
        b"GET / HTTP/9\r\n\r\n",
    ];
    for bytes in garbage {
        let mut stream = send(&broker, bytes);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let rest = http::read_rest(&mut stream);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
            "{rest:?}"
        );
    }
    assert_eq!(broker.http("GET", "/healthz", "").status, 200);

    // The read times out after a minute; the broker's own limit is shorter.
    for mut slow in slow {
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).expect("the broker closes it");
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}
