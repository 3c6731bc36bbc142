//! Requests whose end one server sees where another one does not, requests that are none, and requests that never
//! end.

use std::net::Shutdown;

use super::*;

/// Heads and bodies of a `POST`, after the headers that every request has, with the statuses of all answers that
/// come. The broker closes the connection after the last one. `NEXT` is a whole request for another repository.
const CASES: &[(&str, &[u16])] = &[
    // Two lengths: none is believed.
    ("content-length: 4\r\ncontent-length: 0\r\n\r\nNEXT", &[400]),
    ("content-length: 0, 4\r\n\r\nNEXT", &[400]),
    ("content-length: +4\r\n\r\nNEXT", &[400]),
    ("content-length: 0x4\r\n\r\nNEXT", &[400]),
    ("content-length: 4 4\r\n\r\nNEXT", &[400]),
    ("content-length: -1\r\n\r\nNEXT", &[400]),
    ("content-length: 18446744073709551616\r\n\r\nNEXT", &[400]),
    // Codings that are none, or not the last one.
    (
        "transfer-encoding: identity\r\ncontent-length: 4\r\n\r\n{}  NEXT",
        &[400],
    ),
    (
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\nNEXT",
        &[400],
    ),
    ("transfer-encoding: xchunked\r\n\r\n0\r\n\r\nNEXT", &[400]),
    ("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\nNEXT", &[400]),
    // Chunks that are none.
    ("transfer-encoding: chunked\r\n\r\nx\r\n\r\nNEXT", &[400]),
    ("transfer-encoding: chunked\r\n\r\n-1\r\nNEXT", &[400]),
    (
        "transfer-encoding: chunked\r\n\r\n10000000000000000\r\nNEXT",
        &[400],
    ),
    ("transfer-encoding: chunked\r\n\r\n2\r\n{}NEXT", &[400]),
    (
        "transfer-encoding: chunked\r\n\r\ne;x=\"\r\n\"\r\n{\"name\":\"cut\"}\r\n0\r\n\r\nNEXT",
        &[400],
    ),
    // Headers that are not ended or named as they should be.
    ("x: y\r\n folded: z\r\n\r\nNEXT", &[400]),
    ("content-length : 0\r\n\r\nNEXT", &[400]),
    ("\x00: y\r\n\r\nNEXT", &[400]),
    ("x: \x00\r\n\r\nNEXT", &[400]),
    ("no colon\r\n\r\nNEXT", &[400]),
    // Other protocols, and what is not for a body.
    (
        "upgrade: h2c\r\nconnection: upgrade, http2-settings, close\r\nhttp2-settings: AAMAAABkAAQ\r\n\r\n",
        &[400],
    ),
    (
        "upgrade: websocket\r\nconnection: upgrade, close\r\n\r\n",
        &[400],
    ),
    (
        "authorization: Bearer x\r\nconnection: close\r\n\r\n",
        &[400],
    ),
];

impl Scene {
    /// The statuses of all answers on this connection, until the broker closes it.
    fn statuses(&self, bytes: &str) -> Vec<u16> {
        let rest = http::read_rest(&mut self.send(bytes.as_bytes()));
        let text = String::from_utf8(rest).unwrap();
        let answers = text.split("HTTP/1.1 ").skip(1);
        answers
            .map(|answer| answer.split(' ').next().unwrap().parse().unwrap())
            .collect()
    }
}

#[test]
fn p8_what_two_servers_might_end_elsewhere_is_refused_and_nothing_after_it_is_read() {
    let scene = Scene::new();
    let lease = scene.lease();
    let close = "connection: close\r\n";
    let next = scene.request(&format!("GET {OTHER_LABELS}"), &lease.token, close, "");
    let mut wrong = Vec::new();
    for (rest, want) in CASES {
        let request = scene.request(&format!("POST {LABELS}"), &lease.token, "REST", "");
        let request = request.replace("REST\r\n", &rest.replace("NEXT", &next));
        let got = scene.statuses(&request);
        if got != *want {
            wrong.push((rest, got));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(scene.reached(), [""; 0]);
    scene.assert_serves(&lease);
}

#[test]
fn what_ends_in_one_place_alone_is_one_request_and_the_next_is_decided_on_by_itself() {
    let scene = Scene::new();
    let lease = scene.lease();
    let close = "connection: close\r\n";
    let next = scene.request(&format!("GET {OTHER_LABELS}"), &lease.token, close, "");
    let length = "content-length: 14\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let cases: [(String, &str, &[u16]); 5] = [
        (length.to_owned(), r#"{"name":"one"}"#, &[201, 403]),
        // The same length twice is that length.
        (length.repeat(2), r#"{"name":"two"}"#, &[201, 403]),
        (
            chunked.to_owned(),
            "e;x=1\r\n{\"name\":\"six\"}\r\n0\r\ny: z\r\n\r\n",
            &[201, 403],
        ),
        // Of chunks and a length the chunks count, and the connection is closed: RFC 9112, section 6.1.
        (format!("{chunked}{length}"), "0\r\n\r\n", &[422]),
        (format!("{length}{chunked}"), "0\r\n\r\n", &[422]),
    ];
    for (headers, body, want) in cases {
        let request = scene.request(&format!("POST {LABELS}"), &lease.token, &headers, body);
        assert_eq!(
            scene.statuses(&format!("{request}{next}")),
            want,
            "{request}"
        );
    }
    let made = scene.github.change(|state| state.labels("acme/site"));
    assert_eq!(made, ["one", "six", "two"]);
    assert_eq!(scene.reached(), vec![format!("POST {LABELS}"); 5]);
    scene.assert_all_within();
}

#[test]
fn what_is_not_http_is_not_answered_as_if_it_were() {
    let scene = Scene::new();
    let lease = scene.lease();
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
        "\x05\x01\0",
        "GET\r\n\r\n",
        "GET / HTTP/3\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = scene.send(bytes.as_bytes());
        stream.shutdown(Shutdown::Write).ok();
        let answer = http::read_rest(&mut stream);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{bytes:?}: {answer:?}"
        );
    }
    assert_eq!(scene.reached(), [""; 0]);
    scene.assert_serves(&lease);
}

#[test]
fn a_caller_that_leaves_after_any_byte_of_a_request_harms_no_one() {
    let scene = Scene::new();
    let lease = scene.lease();
    let body = r#"{"name":"bug","color":"ff0000"}"#;
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let request = scene.request(&format!("POST {LABELS}"), &lease.token, &headers, body);
    for length in 0..request.len() {
        drop(scene.send(&request.as_bytes()[..length]));
    }
    // With the body cut off, GitHub was told so; it never took half of one for the whole.
    let recorded = |kind| scene.broker.home.records_of(kind).len();
    wait::until(|| recorded("proxy.response") == recorded("proxy.request"));
    assert!(recorded("proxy.request") <= body.len());
    assert_eq!(scene.reached(), [""; 0]);
    assert_eq!(
        scene.github.change(|state| state.labels("acme/site")),
        [""; 0]
    );
    let made = scene.ask(&format!("POST {LABELS}"), &lease.token, body);
    assert_eq!(made.status, 201, "{made:?}");
    scene.assert_serves(&lease);
}
