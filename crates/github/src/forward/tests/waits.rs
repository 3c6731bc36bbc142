//! How long is waited, and what ends.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::upstream::{answer, is_closed, reads, sent_by_hand, short_waits, writes};
use super::*;
use crate::BreakerState;
use crate::waits::Waits;

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
async fn an_upload_may_take_longer_than_any_wait() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    let (sender, body) = sent_by_hand(None);
    let server = async {
        let (mut stream, _) = upstream.request_head().await;
        for _ in 0..4 {
            tokio::time::sleep(waits.head).await;
            sender.send(Ok(Bytes::from("ab"))).unwrap();
            reads(&mut stream, "2\r\nab\r\n").await;
        }
        drop(sender);
        reads(&mut stream, "0\r\n\r\n").await;
        writes(&mut stream, &answer(201, &[], "")).await;
    };
    let asked = upstream.post("/x", body);
    let (forwarded, ()) = tokio::join!(upstream.github.forward(asked), server);
    assert_eq!(forwarded.ok().unwrap().status, 201);
}

#[tokio::test]
async fn the_wait_for_a_head_begins_with_the_end_of_the_upload() {
    let waits = Waits {
        byte: Duration::from_secs(600),
        ..short_waits()
    };
    let upstream = Arc::new(Upstream::waited_for(waits).await);
    let (sender, body) = sent_by_hand(None);
    // In a task of its own, which nothing wakes but what it waits for.
    let forwarding = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { upstream.github.forward(upstream.post("/x", body)).await }
    });
    let (mut stream, _) = upstream.request_head().await;
    tokio::time::sleep(waits.head * 2).await;
    let ended = Instant::now();
    drop(sender);
    reads(&mut stream, "0\r\n\r\n").await;
    let answered = forwarding.await.unwrap();
    let waited = ended.elapsed();
    let error = refused(answered);
    assert!(matches!(error, GitHubError::Unreachable(_)), "{error}");
    // The timer counts whole milliseconds.
    assert!(waited + Duration::from_millis(2) > waits.head, "{waited:?}");
}

#[tokio::test]
async fn an_upload_that_stops_coming_is_the_callers_fault() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    // Several, since one fault opens no breaker.
    let stalled = (0..6).map(|_| async {
        let (sender, body) = sent_by_hand(Some(4));
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        let answered = upstream.github.forward(upstream.post("/x", body)).await;
        drop(sender);
        refused(answered)
    });
    let server = async {
        for mut stream in join_all((0..6).map(|_| upstream.accept())).await {
            is_closed(&mut stream).await;
        }
    };
    let (stalled, ()) = tokio::join!(join_all(stalled), server);
    let fault = || GitHubError::CallerBody(BodyFault::Stalled(waits.byte));
    assert_eq!(stalled, [(); 6].map(|()| fault()));
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn an_answer_that_stops_coming_ends_unless_the_upload_still_moves() {
    let waits = short_waits();
    let upstream = Upstream::waited_for(waits).await;
    let (sender, body) = sent_by_hand(None);
    let server = async {
        let (mut stream, _) = upstream.request_head().await;
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123";
        writes(&mut stream, text).await;
        stream
    };
    let asked = upstream.post("/x", body);
    let (forwarded, mut stream) = tokio::join!(upstream.github.forward(asked), server);
    let mut answer = forwarded.ok().unwrap().body;
    let uploads = async {
        for _ in 0..5 {
            tokio::time::sleep(waits.byte / 4).await;
            sender.send(Ok(Bytes::from("ab"))).unwrap();
            reads(&mut stream, "2\r\nab\r\n").await;
        }
        writes(&mut stream, "456").await;
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
        writes(&mut stream, text).await;
        stream
    };
    let (forwarded, mut stream) =
        tokio::join!(upstream.github.forward(upstream.get("/user")), server);
    let mut answer = forwarded.ok().unwrap().body;
    assert_eq!(answer.next().await, Some(Ok(Bytes::from("123"))));
    tokio::time::sleep(waits.byte + waits.head).await;
    let late = async {
        tokio::time::sleep(waits.byte / 4).await;
        writes(&mut stream, "456").await;
    };
    let (next, ()) = tokio::join!(answer.next(), late);
    assert_eq!(next, Some(Ok(Bytes::from("456"))));
}

#[tokio::test]
async fn an_upload_that_github_does_not_wait_for_is_the_callers_fault_too() {
    let upstream = Upstream::new().await;
    for answer in ["", "HTTP/1.1 504 X\r\ncontent-length: 0\r\n\r\n"].repeat(5) {
        let (sender, body) = sent_by_hand(Some(4));
        sender.send(Ok(Bytes::from("ab"))).unwrap();
        let server = async {
            let (mut stream, _) = upstream.request_head().await;
            reads(&mut stream, "ab").await;
            writes(&mut stream, answer).await;
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
