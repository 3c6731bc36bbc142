//! What differs for git, on an Enterprise Server: there one host has both.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::upstream::{CANARY, answer, map, pieces, short_waits, writes};
use super::*;
use crate::limits::CORE;
use crate::waits::Waits;

const FETCH: &str = "/acme/site.git/git-upload-pack";

#[tokio::test]
async fn git_gets_the_token_as_a_password_and_the_headers_of_its_protocol() {
    let upstream = Upstream::enterprise_server().await;
    let headers = map(&[
        ("accept", "application/x-git-upload-pack-result"),
        ("accept-encoding", "deflate, gzip, br, zstd"),
        ("authorization", "Basic dGtwOng="),
        ("content-encoding", "gzip"),
        ("content-type", "application/x-git-upload-pack-request"),
        ("cookie", "user_session=1"),
        ("expect", "100-continue"),
        ("git-protocol", "version=2"),
        ("pragma", "no-cache"),
        ("user-agent", "git/2.47.3"),
        ("x-forwarded-host", "evil.example"),
    ]);
    let asked = Forward {
        host: GithubHost::Web,
        headers: &headers,
        ..upstream.post(FETCH, pieces(&["0000"], Some(4)))
    };
    let (forwarded, request) = upstream.answering(asked, &answer(200, &[], "0000")).await;
    assert_eq!(forwarded.ok().unwrap().status, 200);
    let basic = STANDARD.encode(format!("x-access-token:{CANARY}"));
    let mut lines: Vec<_> = request.split("\r\n").collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /acme/site.git/git-upload-pack HTTP/1.1",
            "",
            "0000",
            "accept-encoding: deflate, gzip, br, zstd",
            "accept: application/x-git-upload-pack-result",
            &format!("authorization: Basic {basic}"),
            "content-encoding: gzip",
            "content-length: 4",
            "content-type: application/x-git-upload-pack-request",
            "git-protocol: version=2",
            &format!("host: {}", upstream.github.base.host()),
            "pragma: no-cache",
            "user-agent: git/2.47.3",
        ]
    );

    let asked = Forward {
        headers: &headers,
        ..upstream.get("/user")
    };
    let (_, request) = upstream.answering(asked, &answer(200, &[], "{}")).await;
    assert!(!request.contains("git-protocol"), "{request}");
    assert!(request.contains("authorization: Bearer "), "{request}");
}

#[tokio::test]
async fn what_goes_on_without_a_credential_has_none_and_a_401_says_so() {
    let upstream = Upstream::enterprise_server().await;
    let asked = || Forward {
        host: GithubHost::Web,
        credential: None,
        principal: None,
        ..upstream.get("/other/site/info/refs")
    };
    let (forwarded, request) = upstream.answering(asked(), &answer(200, &[], "")).await;
    assert_eq!(forwarded.ok().unwrap().status, 200);
    assert!(!request.contains("authorization"), "{request}");
    let basic = [("www-authenticate", "Basic realm=\"GitHub\"")];
    let (forwarded, _) = upstream.answering(asked(), &answer(401, &basic, "")).await;
    let error = refused(forwarded);
    assert!(matches!(error, GitHubError::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn git_does_not_draw_on_the_apis_budget_but_waits_where_the_account_is_held_off() {
    let upstream = Upstream::enterprise_server().await;
    let fetch = || Forward {
        host: GithubHost::Web,
        ..upstream.get("/acme/site.git/info/refs")
    };
    let used_up = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1800000900"),
        ("x-ratelimit-resource", CORE),
    ];
    let text = answer(200, &used_up, "{}");
    let (forwarded, _) = upstream.answering(upstream.get("/user"), &text).await;
    assert!(forwarded.is_ok());
    let error = refused(upstream.github.forward(upstream.get("/user")).await);
    assert!(matches!(error, GitHubError::Limited { .. }), "{error}");
    let (forwarded, _) = upstream.answering(fetch(), &answer(200, &[], "")).await;
    assert!(forwarded.is_ok());

    let slow_down = answer(429, &[("retry-after", "30")], "slow down");
    let (forwarded, _) = upstream.answering(fetch(), &slow_down).await;
    assert_eq!(forwarded.ok().unwrap().status, 429);
    let error = refused(upstream.github.forward(fetch()).await);
    assert!(matches!(error, GitHubError::Limited { .. }), "{error}");
    upstream.was_not_asked().await;
}

#[tokio::test]
async fn a_pack_may_take_longer_than_any_answer_of_the_api() {
    let waits = Waits {
        byte: Duration::from_secs(30),
        ..short_waits()
    };
    let upstream = Upstream::below("/api/v3", waits).await;
    let server = async {
        let (mut stream, _) = upstream.request().await;
        tokio::time::sleep(2 * waits.head).await;
        writes(&mut stream, &answer(200, &[], "PACK")).await;
    };
    let asked = Forward {
        host: GithubHost::Web,
        ..upstream.post(FETCH, pieces(&["0000"], Some(4)))
    };
    let (forwarded, ()) = tokio::join!(upstream.github.forward(asked), server);
    let forwarded = forwarded.ok().unwrap();
    assert_eq!(body(forwarded.body).await.unwrap(), "PACK");
}

#[tokio::test]
async fn a_pack_that_does_not_come_is_given_up_in_the_end() {
    let upstream = Upstream::below("/api/v3", short_waits()).await;
    let asked = Forward {
        host: GithubHost::Web,
        ..upstream.post(FETCH, pieces(&["0000"], Some(4)))
    };
    let (forwarded, _held) = tokio::join!(upstream.github.forward(asked), upstream.request());
    let error = refused(forwarded);
    assert!(matches!(error, GitHubError::Unreachable(_)), "{error}");
}
