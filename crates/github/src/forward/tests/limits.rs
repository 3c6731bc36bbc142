//! Limits, the breaker, and the credential.

use std::time::Duration;

use super::upstream::{answer, pieces};
use super::*;
use crate::{BreakerState, CORE, LimitKind};

#[tokio::test]
async fn who_is_limited_is_not_asked_for_and_the_refusal_is_passed_on_as_it_came() {
    let upstream = Upstream::new().await;
    let words = r#"{"message":"You have exceeded a secondary rate limit."}"#;
    let text = answer(
        403,
        &[("retry-after", "40"), ("x-github-sso", "required")],
        words,
    );
    let (forwarded, _) = upstream.answering(upstream.get("/user"), &text).await;
    let forwarded = forwarded.ok().unwrap();
    assert_eq!(forwarded.status, 403);
    assert_eq!(forwarded.headers["retry-after"], "40");
    assert_eq!(body(forwarded.body).await.unwrap(), words);

    upstream.clock.advance(Duration::from_secs(30));
    let error = refused(upstream.github.forward(upstream.get("/user")).await);
    let principal = Some(Principal::user("acme-bot"));
    assert_eq!(
        error,
        GitHubError::Limited {
            kind: LimitKind::Secondary,
            principal,
            retry_after: Duration::from_secs(10)
        }
    );
    upstream.was_not_asked().await;
    upstream.clock.advance(Duration::from_secs(10));
    let (forwarded, _) = upstream
        .answering(upstream.get("/user"), &answer(200, &[], "{}"))
        .await;
    assert!(forwarded.is_ok());
}

#[tokio::test]
async fn a_long_refusal_is_passed_on_whole() {
    let upstream = Upstream::new().await;
    let page = "x".repeat(3 * MOST_WORDS);
    for status in [403, 429] {
        let text = answer(status, &[], &page);
        let (forwarded, _) = upstream.answering(upstream.get("/user"), &text).await;
        let forwarded = forwarded.ok().unwrap();
        assert_eq!(body(forwarded.body).await.unwrap(), page);
        upstream.clock.advance(Duration::from_secs(60));
    }
    let cut = "HTTP/1.1 403 X\r\ncontent-length: 9\r\n\r\n{\"mes";
    let (forwarded, _) = upstream.answering(upstream.get("/user"), cut).await;
    let forwarded = forwarded.ok().unwrap();
    assert_eq!(
        body(forwarded.body).await,
        Err(("{\"mes".to_owned(), AnswerCut::Lost))
    );
}

#[tokio::test]
async fn what_is_left_is_learned_from_every_answer_but_a_401() {
    let upstream = Upstream::new().await;
    let rate = |remaining: &'static str| {
        [
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", "1800000090"),
            ("x-ratelimit-resource", "core"),
        ]
    };
    let bot = Principal::user("acme-bot");
    let denied = r#"{"message":"Resource not accessible by personal access token"}"#;
    for (status, words, remaining, want) in [
        (200, "{}", "90", 90),
        (304, "", "89", 89),
        (404, "{}", "88", 88),
        (403, denied, "87", 87),
        (502, "", "86", 86),
        (401, "{}", "1", 86),
        (200, "{}", "0", 0),
    ] {
        let text = answer(status, &rate(remaining), words);
        let (answered, _) = upstream.answering(upstream.get("/user"), &text).await;
        assert_eq!(answered.is_ok(), status != 401);
        let now = upstream.github.clock.now();
        let left = upstream.github.limits.rate(&bot, CORE, now).unwrap();
        assert_eq!(left.remaining, want, "{status}");
    }
    let error = refused(upstream.github.forward(upstream.get("/user")).await);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    let other = Principal::user("other");
    for asked in [
        upstream.get("/search/issues"),
        upstream.get("/rate_limit"),
        Forward {
            principal: Some(&other),
            ..upstream.get("/user")
        },
        Forward {
            principal: None,
            ..upstream.get("/user")
        },
    ] {
        let (forwarded, _) = upstream.answering(asked, &answer(200, &[], "{}")).await;
        assert!(forwarded.is_ok());
    }
}

#[tokio::test]
async fn a_401_is_about_the_credential_and_not_the_callers() {
    let upstream = Upstream::new().await;
    let words = r#"{"message":"Bad credentials"}"#;
    let (answered, _) = upstream
        .answering(upstream.get("/user"), &answer(401, &[], words))
        .await;
    let error = refused(answered);
    assert_eq!(
        error.to_string(),
        "GitHub does not accept the credential (401, “Bad credentials”)"
    );
    assert!(upstream.github.last_heard().is_some());
}

#[tokio::test]
async fn faults_are_passed_on_and_a_host_that_is_unavailable_opens_the_breaker() {
    let upstream = Upstream::new().await;
    for (faults, state) in [
        ([500, 502, 504, 599, 500], BreakerState::Closed),
        ([503; 5], BreakerState::Open),
    ] {
        for status in faults {
            let text = answer(status, &[], "<html>");
            let (forwarded, _) = upstream.answering(upstream.get("/user"), &text).await;
            let forwarded = forwarded.ok().unwrap();
            assert_eq!(forwarded.status, status);
            assert_eq!(body(forwarded.body).await.unwrap(), "<html>");
        }
        assert_eq!(upstream.github.breaker_state(), state, "{faults:?}");
    }
    let asked = upstream.post("/x", pieces(&["{}"], Some(2)));
    let error = refused(upstream.github.forward(asked).await);
    assert!(matches!(error, GitHubError::NotTried { .. }), "{error}");
    upstream.was_not_asked().await;

    upstream.clock.advance(Duration::from_secs(6));
    let (forwarded, _) = upstream
        .answering(upstream.get("/user"), &answer(404, &[], "{}"))
        .await;
    assert!(forwarded.is_ok());
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
}
