//! Bodies in motion: order, ends and time.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::upstream::{answer, head, sent_by_hand, short_waits};
use super::*;
use crate::BreakerState;

async fn reads(stream: &mut TcpStream, wanted: &str) {
    let mut read = vec![0; wanted.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(str::from_utf8(&read).unwrap(), wanted);
}

/// That the client ends the connection.
async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // With or without a reset.
    let _end = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn an_upload_goes_on_as_it_comes() {
    let upstream = Upstream::new().await;
    let (sender, body) = sent_by_hand(Some(8));
    let server = async {
        let mut stream = upstream.accept().await;
        assert!(head(&mut stream).await.contains("content-length: 8\r\n"));
        for piece in ["ab", "cde", "fgh"] {
            sender.send(Ok(Bytes::from(piece))).unwrap();
            reads(&mut stream, piece).await;
        }
        stream
            .write_all(answer(201, &[], "").as_bytes())
            .await
            .unwrap();
    };
    let asked = upstream.post("/x", body);
    let (forwarded, ()) = tokio::join!(upstream.github.forward(asked), server);
    assert_eq!(forwarded.ok().unwrap().status, 201);
}

#[tokio::test]
async fn an_answer_comes_as_it_is_sent_and_may_begin_before_the_upload_ends() {
    let upstream = Upstream::new().await;
    let (sender, request_body) = sent_by_hand(Some(4));
    let server = async {
        let mut stream = upstream.accept().await;
        head(&mut stream).await;
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        reads(&mut stream, "ab").await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n123";
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let asked = upstream.post("/x", request_body);
    let (forwarded, mut stream) = tokio::join!(upstream.github.forward(asked), server);
    let mut answer = forwarded.ok().unwrap().body;
    assert_eq!(answer.next().await.unwrap().unwrap(), "123");
    sender.send(Ok(Bytes::from("cd"))).unwrap();
    reads(&mut stream, "cd").await;
    stream.write_all(b"456").await.unwrap();
    assert_eq!(answer.next().await.unwrap().unwrap(), "456");
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_exchange() {
    let upstream = Upstream::new().await;
    // Within the answer.
    let server = async {
        let (mut stream, _) = upstream.request().await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n123";
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let (forwarded, mut stream) =
        tokio::join!(upstream.github.forward(upstream.get("/user")), server);
    drop(forwarded);
    is_closed(&mut stream).await;

    // Before it, with and without a body under way.
    let (sender, body) = sent_by_hand(Some(4));
    sender.send(Ok(Bytes::from("ab"))).unwrap();
    for asked in [upstream.get("/user"), upstream.post("/x", body)] {
        let mut stream = tokio::select! {
            biased;
            _ = upstream.github.forward(asked) => panic!("no one answers"),
            stream = async {
                let mut stream = upstream.accept().await;
                head(&mut stream).await;
                stream
            } => stream,
        };
        is_closed(&mut stream).await;
    }
    // Nor is it held against GitHub.
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_says_so_at_its_end() {
    let upstream = Upstream::new().await;
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n",
    ] {
        let (forwarded, _) = upstream.answering(upstream.get("/user"), text).await;
        let mut answer = forwarded.ok().unwrap().body;
        assert_eq!(answer.next().await, Some(Ok(Bytes::from("123"))));
        assert_eq!(answer.next().await, Some(Err(AnswerCut::Lost)));
        assert_eq!(answer.next().await, None);
    }
}

#[tokio::test]
async fn a_head_that_never_comes_is_not_waited_for() {
    let upstream = Upstream::waited_for(short_waits()).await;
    let server = async {
        let (mut stream, _) = upstream.request().await;
        is_closed(&mut stream).await;
    };
    let (answered, ()) = tokio::join!(upstream.github.forward(upstream.get("/user")), server);
    let error = refused(answered);
    assert!(
        matches!(
            &error,
            GitHubError::Unreachable(NotReached {
                why: Unreachable::TimedOut,
                may_have_happened: true,
                ..
            })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_wait_for_a_head_begins_with_the_end_of_the_upload() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    let (sender, body) = sent_by_hand(None);
    let server = async {
        let mut stream = upstream.accept().await;
        head(&mut stream).await;
        // Longer altogether than either wait.
        for _ in 0..5 {
            tokio::time::sleep(waits.head).await;
            sender.send(Ok(Bytes::from("ab"))).unwrap();
            reads(&mut stream, "2\r\nab\r\n").await;
        }
        drop(sender);
        reads(&mut stream, "0\r\n\r\n").await;
        let ended = tokio::time::Instant::now();
        is_closed(&mut stream).await;
        ended.elapsed()
    };
    let asked = upstream.post("/x", body);
    let (answered, waited) = tokio::join!(upstream.github.forward(asked), server);
    let error = refused(answered);
    assert!(matches!(error, GitHubError::Unreachable(_)), "{error}");
    assert!(
        waited + Duration::from_millis(50) > waits.head && waited < waits.byte,
        "{waited:?}"
    );
}

#[tokio::test]
async fn an_upload_that_stops_coming_is_the_callers_fault() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    for _ in 0..6 {
        let (sender, body) = sent_by_hand(Some(4));
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        let server = async {
            let mut stream = upstream.accept().await;
            is_closed(&mut stream).await;
        };
        let asked = upstream.post("/x", body);
        let (answered, ()) = tokio::join!(upstream.github.forward(asked), server);
        let stalled = BodyFault::Stalled(waits.byte);
        assert_eq!(refused(answered), GitHubError::CallerBody(stalled));
    }
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn an_upload_that_github_does_not_wait_for_is_the_callers_fault_too() {
    let upstream = Upstream::new().await;
    for answer in ["", "HTTP/1.1 504 X\r\ncontent-length: 0\r\n\r\n"].repeat(5) {
        let (sender, body) = sent_by_hand(Some(4));
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        let server = async {
            let mut stream = upstream.accept().await;
            head(&mut stream).await;
            reads(&mut stream, "ab").await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let asked = upstream.post("/x", body);
        let (answered, ()) = tokio::join!(upstream.github.forward(asked), server);
        if answer.is_empty() {
            let late = GitHubError::CallerBody(BodyFault::Late);
            assert_eq!(refused(answered), late);
        } else {
            assert_eq!(answered.ok().unwrap().status, 504);
        }
    }
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn an_answer_that_stops_coming_ends_unless_the_upload_still_moves() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    let (sender, body) = sent_by_hand(None);
    let server = async {
        let mut stream = upstream.accept().await;
        head(&mut stream).await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123";
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let asked = upstream.post("/x", body);
    let (forwarded, mut stream) = tokio::join!(upstream.github.forward(asked), server);
    let mut answer = forwarded.ok().unwrap().body;
    let uploads = async {
        for _ in 0..4 {
            tokio::time::sleep(waits.byte / 2).await;
            sender.send(Ok(Bytes::from("ab"))).unwrap();
            reads(&mut stream, "2\r\nab\r\n").await;
        }
        stream.write_all(b"456").await.unwrap();
    };
    let downloads = async {
        assert_eq!(answer.next().await, Some(Ok(Bytes::from("123"))));
        assert_eq!(answer.next().await, Some(Ok(Bytes::from("456"))));
    };
    tokio::join!(uploads, downloads);
    // Now neither does.
    let stalled = AnswerCut::Stalled(waits.byte);
    assert_eq!(answer.next().await, Some(Err(stalled)));
    assert_eq!(answer.next().await, None);
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_caller_that_is_slow_to_take_an_answer_does_not_lose_it() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    let server = async {
        let (mut stream, _) = upstream.request().await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n123";
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let (forwarded, mut stream) =
        tokio::join!(upstream.github.forward(upstream.get("/user")), server);
    let mut answer = forwarded.ok().unwrap().body;
    assert_eq!(answer.next().await, Some(Ok(Bytes::from("123"))));
    tokio::time::sleep(waits.byte * 2).await;
    let late = async {
        tokio::time::sleep(waits.byte / 3).await;
        stream.write_all(b"456").await.unwrap();
    };
    let (next, ()) = tokio::join!(answer.next(), late);
    assert_eq!(next, Some(Ok(Bytes::from("456"))));
}

#[tokio::test]
async fn several_connections_are_kept_and_used_again() {
    let upstream = Upstream::new().await;
    let mut streams = Vec::new();
    for round in 0..3 {
        let server = async {
            if round == 0 {
                for _ in 0..8 {
                    streams.push(upstream.accept().await);
                }
            }
            for stream in &mut streams {
                assert!(head(stream).await.starts_with("GET /user "));
            }
            // Only once all are asked at the same time.
            for stream in &mut streams {
                let text = answer(200, &[], "{}");
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        };
        let asked = (0..8).map(|_| async {
            let forwarded = upstream.github.forward(upstream.get("/user")).await;
            body(forwarded.ok().unwrap().body).await.unwrap()
        });
        let (bodies, ()) = tokio::join!(futures_util::future::join_all(asked), server);
        assert_eq!(bodies, ["{}"; 8]);
        // A connection is back in the pool a moment after its last byte.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    upstream.was_not_asked().await;
}
