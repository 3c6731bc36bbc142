//! Bodies in motion: order and ends.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::upstream::{answer, head, is_closed, reads, sent_by_hand, writes};
use super::*;
use crate::BreakerState;

#[tokio::test]
async fn an_upload_goes_on_as_it_comes() {
    let upstream = Upstream::new().await;
    let (sender, body) = sent_by_hand(Some(8));
    let server = async {
        let (mut stream, head) = upstream.request_head().await;
        assert!(head.contains("content-length: 8\r\n"));
        for piece in ["ab", "cde", "fgh"] {
            sender.send(Ok(Bytes::from(piece))).unwrap();
            reads(&mut stream, piece).await;
        }
        writes(&mut stream, &answer(201, &[], "")).await;
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
        let (mut stream, _) = upstream.request_head().await;
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        reads(&mut stream, "ab").await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n123";
        writes(&mut stream, text).await;
        stream
    };
    let asked = upstream.post("/x", request_body);
    let (forwarded, mut stream) = tokio::join!(upstream.github.forward(asked), server);
    let mut answer = forwarded.ok().unwrap().body;
    assert_eq!(answer.next().await.unwrap().unwrap(), "123");
    sender.send(Ok(Bytes::from("cd"))).unwrap();
    reads(&mut stream, "cd").await;
    writes(&mut stream, "456").await;
    assert_eq!(answer.next().await.unwrap().unwrap(), "456");
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn an_upload_ends_with_the_answer() {
    let upstream = Upstream::new().await;
    let (sender, request_body) = sent_by_hand(None);
    let server = async {
        let (mut stream, _) = upstream.request_head().await;
        writes(&mut stream, &answer(413, &[], "too large")).await;
        stream
    };
    let asked = upstream.post("/x", request_body);
    let (forwarded, mut stream) = tokio::join!(upstream.github.forward(asked), server);
    let mut answer = forwarded.ok().unwrap().body;
    assert_eq!(answer.next().await, Some(Ok(Bytes::from("too large"))));
    assert_eq!(answer.next().await, None);
    // Until nothing else wakes the connection.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(answer);
    is_closed(&mut stream).await;
    sender.closed().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_exchange() {
    let upstream = Upstream::new().await;
    // Within the answer.
    let server = async {
        let (mut stream, _) = upstream.request().await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n123";
        writes(&mut stream, text).await;
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
            (stream, _) = upstream.request_head() => stream,
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
                writes(stream, &answer(200, &[], "{}")).await;
            }
        };
        let asked = (0..8).map(|_| async {
            let forwarded = upstream.github.forward(upstream.get("/user")).await;
            body(forwarded.ok().unwrap().body).await.unwrap()
        });
        let (bodies, ()) = tokio::join!(join_all(asked), server);
        assert_eq!(bodies, ["{}"; 8]);
        // A connection is back in the pool a moment after its last byte.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    upstream.was_not_asked().await;
}
