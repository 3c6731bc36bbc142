//! One exchange: what is sent, once, and what the answer is.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::upstream::{CANARY, answer, head, map, pieces, writes};
use super::*;
use crate::{BreakerState, Outcome};

#[tokio::test]
async fn path_and_query_go_out_byte_for_byte() {
    let upstream = Upstream::new().await;
    for (path, query) in [
        ("/repos/acme/site/labels/type%2Fbug", None),
        ("/repos/acme/site/labels/%C3%BC%e2%82%ac", Some("")),
        (
            "/repos/acme/site/compare/main...a%3Ab~1;c=1,d",
            Some("a=%2f%2F&b[]=1&c=x+y%20z|^`{}"),
        ),
        ("//user//", Some("?")),
    ] {
        let asked = Forward {
            query,
            ..upstream.get(path)
        };
        let (forwarded, request) = upstream.answering(asked, &answer(200, &[], "{}")).await;
        assert!(forwarded.is_ok());
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        assert_eq!(
            request.lines().next(),
            Some(&*format!("GET {path}{query} HTTP/1.1"))
        );
    }
}

#[tokio::test]
async fn a_connection_that_is_not_in_use_can_be_closed_and_the_next_exchange_makes_another() {
    let upstream = Upstream::new().await;
    for _ in 0..2 {
        let server = async {
            let (mut stream, _) = upstream.request().await;
            writes(&mut stream, &answer(200, &[], "{}")).await;
            stream
        };
        let (forwarded, mut stream) =
            tokio::join!(upstream.github.forward(upstream.get("/user")), server);
        assert_eq!(body(forwarded.ok().unwrap().body).await.unwrap(), "{}");
        upstream.github.close_idle_connections();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "closed");
    }
}

#[tokio::test]
async fn what_cannot_go_out_as_it_came_is_not_sent() {
    let upstream = Upstream::new().await;
    for (host, path, query) in [
        (GithubHost::Api, "/a/../user", None),
        (GithubHost::Api, "/a/%2E%2e/user", None),
        (GithubHost::Api, "/a\\b", None),
        (GithubHost::Api, "@evil.example/user", None),
        (GithubHost::Api, "/user#x", None),
        (GithubHost::Api, "/user", Some("a#b")),
        (GithubHost::Uploads, "/user", None),
    ] {
        let asked = Forward {
            host,
            query,
            ..upstream.get(path)
        };
        let error = refused(upstream.github.forward(asked).await);
        assert_eq!(error, GitHubError::UnsendablePath, "{path}");
    }
    let bad = AccessToken::new(format!("{CANARY}\r\nx: y"));
    let asked = Forward {
        credential: Some(bad),
        ..upstream.get("/user")
    };
    assert_eq!(
        refused(upstream.github.forward(asked).await),
        GitHubError::Unsendable
    );
    upstream.was_not_asked().await;
}

#[tokio::test]
async fn a_lost_connection_is_not_tried_again() {
    let upstream = Upstream::new().await;
    let (answered, request) = upstream.answering(upstream.get("/user"), "").await;
    let error = refused(answered);
    assert!(request.starts_with("GET /user "), "{request}");
    assert!(matches!(&error, GitHubError::Unreachable(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    let text = format!("{error} {error:?} {}", error.for_operators());
    assert!(!text.contains("canary"), "{text}");
    upstream.was_not_asked().await;
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_not_followed() {
    let upstream = Upstream::new().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x?token=abc", elsewhere.local_addr().unwrap());
    for status in [301, 302, 307, 308] {
        let text = answer(status, &[("location", &url)], "");
        let (forwarded, _) = upstream.answering(upstream.get("/x"), &text).await;
        let forwarded = forwarded.ok().unwrap();
        assert_eq!(
            (forwarded.status, &forwarded.headers["location"]),
            (status, &url.parse().unwrap())
        );
    }
    tokio::select! {
        biased;
        _ = elsewhere.accept() => panic!("the redirect was followed"),
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test]
async fn an_answer_keeps_its_length_and_head_has_one_without_a_body() {
    let upstream = Upstream::new().await;
    let (forwarded, _) = upstream
        .answering(upstream.get("/user"), &answer(200, &[], "{\"id\":7}"))
        .await;
    let forwarded = forwarded.ok().unwrap();
    assert_eq!(forwarded.headers["content-length"], "8");
    assert_eq!(body(forwarded.body).await.unwrap(), "{\"id\":7}");
    let asked = Forward {
        method: Method::HEAD,
        ..upstream.get("/user")
    };
    let (forwarded, _) = upstream
        .answering(asked, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        .await;
    let forwarded = forwarded.ok().unwrap();
    assert_eq!(forwarded.headers["content-length"], "8");
    assert_eq!(body(forwarded.body).await.unwrap(), "");
}

#[tokio::test]
async fn a_clone_token_is_overwritten_and_the_length_stays() {
    let upstream = Upstream::new().await;
    let text = r#"{"name":"site","temp_clone_token":"AB12","id":7}"#;
    let hidden = r#"{"name":"site","temp_clone_token":"xxxx","id":7}"#;
    let headers = map(&[
        ("accept-encoding", "gzip"),
        ("range", "bytes=9-"),
        ("if-range", "\"a\""),
    ]);
    for (clone_token, want) in [(true, hidden), (false, text)] {
        let asked = Forward {
            headers: &headers,
            clone_token,
            ..upstream.get("/repos/acme/site")
        };
        let encoding = [("content-encoding", "identity")];
        let (forwarded, request) = upstream
            .answering(asked, &answer(200, &encoding, text))
            .await;
        let forwarded = forwarded.ok().unwrap();
        assert_eq!(forwarded.headers["content-length"], text.len().to_string());
        assert_eq!(body(forwarded.body).await.unwrap(), want);
        assert_eq!(
            request.contains("accept-encoding: identity\r\n"),
            clone_token
        );
        assert_eq!(request.contains("range"), !clone_token, "{request}");
    }
}

#[tokio::test]
async fn where_a_clone_token_could_hide_nothing_is_passed_on() {
    let upstream = Upstream::new().await;
    for (status, headers) in [
        (200, &[("content-encoding", "gzip")][..]),
        (
            200,
            &[("content-encoding", "identity"), ("content-encoding", "br")],
        ),
        (404, &[("content-encoding", "identity, gzip")]),
        (206, &[("content-range", "bytes 9-20/99")]),
    ] {
        let asked = Forward {
            clone_token: true,
            ..upstream.get("/repos/acme/site")
        };
        let text = answer(status, headers, "\"AB12\"");
        let (answered, _) = upstream.answering(asked, &text).await;
        let what = BadAnswer::Unreadable;
        assert_eq!(refused(answered), GitHubError::BadAnswer { status, what });
        let (forwarded, _) = upstream.answering(upstream.get("/zen"), &text).await;
        assert_eq!(
            forwarded.ok().unwrap().status,
            status,
            "where none can be, it may"
        );
    }
}

#[tokio::test]
async fn a_change_of_protocols_is_no_answer() {
    let upstream = Upstream::new().await;
    let text = "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let (answered, _) = upstream.answering(upstream.get("/user"), text).await;
    let error = refused(answered);
    assert!(error.is_unavailable(), "{error}");
}

#[tokio::test]
async fn a_body_that_is_cut_or_too_long_is_the_callers_fault_and_not_githubs() {
    let upstream = Upstream::new().await;
    for _ in 0..3 {
        for body in [
            pieces(&["{\"a\""], Some(9)),
            pieces(&["{\"a\"", ":7}, and more"], Some(7)),
        ] {
            let server = async {
                let mut stream = upstream.accept().await;
                let mut all = Vec::new();
                // Until the other end closes, with or without a reset.
                let _end = tokio::io::copy(&mut stream, &mut all).await;
                String::from_utf8(all).unwrap()
            };
            let asked = upstream.post("/x", body);
            let (answered, request) = tokio::join!(upstream.github.forward(asked), server);
            let error = refused(answered);
            assert_eq!(error, GitHubError::CallerBody(BodyFault::Cut));
            assert!(!request.contains("more"), "{request}");
        }
    }
    assert_eq!(upstream.github.breaker_state(), BreakerState::Closed);
    assert_eq!(upstream.github.last_heard(), None);
}

#[tokio::test]
async fn a_body_without_a_length_goes_on_in_chunks() {
    let upstream = Upstream::new().await;
    let server = async {
        let (mut stream, request) = upstream.request_head().await;
        let body = head(&mut stream).await;
        writes(&mut stream, &answer(201, &[], "")).await;
        (request, body)
    };
    let asked = upstream.post("/x", pieces(&["{\"a\"", ":7}"], None));
    let (forwarded, (request, body)) = tokio::join!(upstream.github.forward(asked), server);
    assert!(forwarded.is_ok());
    assert!(
        request.contains("transfer-encoding: chunked\r\n"),
        "{request}"
    );
    assert!(!request.contains("content-length"), "{request}");
    assert_eq!(body, "4\r\n{\"a\"\r\n3\r\n:7}\r\n0\r\n\r\n");
}
