//! Bytes that are no request, or two. Each must be refused, or read in one way only: the proxy makes a
//! request of its own from what it is given, and must not be given what another server reads differently.

use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::*;

/// What each request was read as: a line of its method, target, lengths and body.
fn reading(asked: mpsc::UnboundedSender<String>) -> FakeProxy {
    Fake::new(move |request: Request<Body>| {
        let asked = asked.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await;
            let body = body.map_or_else(
                |_| "cut".to_owned(),
                |body| String::from_utf8(body.to_vec()).unwrap(),
            );
            let lengths = [TRANSFER_ENCODING, CONTENT_LENGTH].map(|name| {
                let values = head.headers.get_all(&name).iter();
                let values = values.map(|value| format!("{name}={} ", value.to_str().unwrap()));
                values.collect::<String>()
            });
            let (method, target) = (&head.method, &head.uri);
            let read = format!("{method} {target} {}{body}", lengths.concat());
            asked.send(read).unwrap();
            "answer".into_response()
        }
    })
}

/// Sends the bytes on a connection of its own and closes its side; gives the readings and the answers.
async fn read_as(bytes: &[u8]) -> (Vec<String>, String) {
    let (asked, mut readings) = mpsc::unbounded_channel();
    let running = Running::proxy_with(PATIENT, reading(asked));
    let stream = running.send("proxy.sock", bytes).await;
    let answers = rest(stream).await;
    running.stop.send(true).unwrap();
    running.serving.await.unwrap();
    let mut read = Vec::new();
    while let Ok(reading) = readings.try_recv() {
        read.push(reading);
    }
    (read, answers)
}

#[tokio::test]
async fn what_is_no_request_reaches_no_one() {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(17 * 1024));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "b".repeat(17 * 1024));
    let bad: &[(&str, &str)] = &[
        ("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("400", "GET / HTTP/2.0\r\nhost: x\r\n\r\n"),
        ("400", "GET / HTTP/1.2\r\nhost: x\r\n\r\n"),
        ("400", "GET / http/1.1\r\nhost: x\r\n\r\n"),
        ("400", "GET /\r\n\r\n"),
        ("400", "GET  / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("400", "GET /a b HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("400", "GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("400", "G(T / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("400", " GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost : x\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n host: x\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\na: b\0\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n: b\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        ("431", &many),
        ("431", &large),
        ("431", &long),
        (
            "400",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        ),
        ("400", "POST / HTTP/1.1\r\ncontent-length: 3, 3\r\n\r\nabc"),
        ("400", "POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\nabc"),
        ("400", "POST / HTTP/1.1\r\ncontent-length: -3\r\n\r\nabc"),
        ("400", "POST / HTTP/1.1\r\ncontent-length: 0x3\r\n\r\nabc"),
        (
            "400",
            "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
        ),
        ("400", "POST / HTTP/1.1\r\ncontent-length: \r\n\r\nabc"),
        (
            "400",
            "POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\nabc",
        ),
        (
            "400",
            "POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "400",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        ),
        (
            "400",
            "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: gzip\r\n\r\nabc",
        ),
        (
            "400",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ];
    for (status, bytes) in bad {
        let (readings, answers) = read_as(bytes.as_bytes()).await;
        assert!(readings.is_empty(), "{bytes:?} was read as {readings:?}");
        let refused = if status.is_empty() {
            answers.is_empty()
        } else {
            answers.starts_with(&format!("HTTP/1.1 {status} "))
        };
        assert!(refused, "{bytes:?} was answered with {answers:?}");
        assert!(!answers.contains("answer"), "{bytes:?}: {answers:?}");
    }
}

/// A second request hidden in what the first one's body may be.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn of_two_lengths_one_holds_is_alone_passed_on_and_nothing_is_read_after_its_body() {
    // Chunks hold beside a length, in either order, and the connection ends: what follows is not read.
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nhost: x\r\n{lengths}\r\n0\r\n\r\n{HIDDEN}");
        let (readings, answers) = read_as(bytes.as_bytes()).await;
        assert_eq!(
            readings,
            ["POST / transfer-encoding=chunked "],
            "{lengths:?}"
        );
        assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    }
    // The same length twice is one.
    let bytes = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\
                 content-length: 3\r\n\r\nabc";
    let (readings, _) = read_as(bytes.as_bytes()).await;
    assert_eq!(readings, ["POST / content-length=3 abc"]);
}

#[tokio::test]
async fn a_body_without_a_length_is_none_and_what_follows_is_a_request_of_its_own() {
    let bytes = format!("POST / HTTP/1.1\r\nhost: x\r\n\r\n{HIDDEN}GET / HTTP/1.0\r\n\r\n");
    let (readings, _) = read_as(bytes.as_bytes()).await;
    assert_eq!(readings, ["POST / ", "GET /hidden ", "GET / "]);
}

#[tokio::test]
async fn chunks_that_are_none_cut_the_body_off_and_no_request_follows() {
    for chunks in [
        "x\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1 a\r\n",
        "fffffffffffffffff\r\n",
        "1\r\nabc\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let bytes = format!("{head}{chunks}0\r\n\r\n{HIDDEN}");
        let (readings, answers) = read_as(bytes.as_bytes()).await;
        assert_eq!(
            readings,
            ["POST / transfer-encoding=chunked cut"],
            "{chunks:?}"
        );
        assert!(answers.matches("HTTP/1.1").count() <= 1, "{answers}");
    }
}
