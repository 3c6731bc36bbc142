//! What goes on of a request and of an answer.

use super::upstream::{CANARY, answer, map, pieces};
use super::*;

fn lines(request: &str) -> Vec<&str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut lines: Vec<_> = head.split("\r\n").skip(1).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn nothing_goes_to_github_that_is_not_listed() {
    let upstream = Upstream::new().await;
    let headers = map(&[
        ("accept", "application/vnd.github+json"),
        ("accept", "text/html"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "en"),
        ("authorization", "Bearer tkp_of_the_caller"),
        ("authorization", "Basic eDp5"),
        ("connection", "x-secret, keep-alive"),
        ("content-encoding", "gzip"),
        ("content-length", "999"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", "text/plain"),
        ("cookie", "user_session=1"),
        ("expect", "100-continue"),
        ("forwarded", "for=127.0.0.1"),
        ("host", "evil.example"),
        ("if-match", "\"a\""),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if-none-match", "\"b\", \"c\""),
        ("if-range", "\"d\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("keep-alive", "timeout=5"),
        ("origin", "https://evil.example"),
        ("proxy-authorization", "Basic eDp5"),
        ("range", "bytes=0-9"),
        ("referer", "https://evil.example/"),
        ("te", "trailers"),
        ("time-zone", "Europe/Berlin"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("user-agent", "PyGithub/Python"),
        ("via", "1.1 x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-github-api-version", "2022-11-28"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/user"),
        ("x-secret", "1"),
    ]);
    let asked = Forward {
        headers: &headers,
        ..upstream.post("/repos/acme/site/labels", pieces(&["{}"], Some(2)))
    };
    let (forwarded, request) = upstream.answering(asked, &answer(201, &[], "")).await;
    assert_eq!(forwarded.ok().unwrap().status, 201);
    let host = upstream.github.base.host();
    assert_eq!(
        lines(&request),
        [
            "accept-encoding: gzip, br",
            "accept-language: en",
            "accept: application/vnd.github+json",
            "accept: text/html",
            &format!("authorization: Bearer {CANARY}"),
            "content-encoding: gzip",
            "content-length: 2",
            "content-type: application/json; charset=utf-8",
            &format!("host: {host}"),
            "if-match: \"a\"",
            "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT",
            "if-none-match: \"b\", \"c\"",
            "if-range: \"d\"",
            "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT",
            "range: bytes=0-9",
            "time-zone: Europe/Berlin",
            "user-agent: PyGithub/Python",
            "x-github-api-version: 2022-11-28",
        ]
    );
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");
}

#[tokio::test]
async fn what_a_request_lacks_and_github_wants_is_added() {
    let upstream = Upstream::new().await;
    let host = format!("host: {}", upstream.github.base.host());
    let authorization = format!("authorization: Bearer {CANARY}");
    let agent = concat!("user-agent: tokend/", env!("CARGO_PKG_VERSION"));
    let (forwarded, request) = upstream
        .answering(upstream.get("/user"), &answer(204, &[], ""))
        .await;
    assert!(forwarded.is_ok());
    let common = ["accept: */*", &authorization, &host, agent];
    assert_eq!(lines(&request), common);
    for (method, has_length) in [
        ("PUT", true),
        ("PATCH", true),
        ("POST", true),
        ("DELETE", false),
    ] {
        let asked = Forward {
            method: method.parse().unwrap(),
            ..upstream.get("/user/starred/acme/site")
        };
        let (forwarded, request) = upstream.answering(asked, &answer(204, &[], "")).await;
        assert!(forwarded.is_ok());
        assert_eq!(
            request.contains("content-length: 0\r\n"),
            has_length,
            "{request}"
        );
        assert!(request.starts_with(method), "{request}");
    }
}

#[tokio::test]
async fn a_form_is_json_for_the_api_and_a_form_for_uploads() {
    let upstream = Upstream::enterprise_server().await;
    for (host, path, given, want) in [
        (
            GithubHost::Api,
            "/api/v3/x",
            "application/x-www-form-urlencoded",
            "application/json",
        ),
        (
            GithubHost::Api,
            "/api/v3/x",
            "Application/X-WWW-Form-URLencoded ; charset=utf-8",
            "application/json",
        ),
        (GithubHost::Api, "/api/v3/x", "text/plain", "text/plain"),
        (
            GithubHost::Uploads,
            "/api/uploads/x",
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
        ),
    ] {
        let headers = map(&[("content-type", given)]);
        let asked = Forward {
            host,
            headers: &headers,
            ..upstream.post("/x", pieces(&["{}"], Some(2)))
        };
        let (forwarded, request) = upstream.answering(asked, &answer(201, &[], "")).await;
        assert!(forwarded.is_ok());
        assert!(
            request.contains(&format!("content-type: {want}\r\n")),
            "{request}"
        );
        assert!(
            request.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn an_answer_loses_what_is_of_the_connection_or_tells_of_the_credential() {
    let upstream = Upstream::new().await;
    let text = "HTTP/1.1 200 OK\r\n\
        connection: keep-alive, X-Hop\r\n\
        connection: x-other\r\n\
        x-hop: 1\r\n\
        x-other: 1\r\n\
        keep-alive: timeout=5\r\n\
        proxy-authenticate: Basic\r\n\
        proxy-connection: keep-alive\r\n\
        te: trailers\r\n\
        trailer: x-check\r\n\
        transfer-encoding: chunked\r\n\
        content-length: 99\r\n\
        upgrade: h2c\r\n\
        alt-svc: h3=\":443\"\r\n\
        strict-transport-security: max-age=31536000\r\n\
        set-cookie: a=b\r\n\
        set-cookie: c=d\r\n\
        x-oauth-scopes: repo\r\n\
        x-accepted-oauth-scopes: repo\r\n\
        x-oauth-client-id: 1\r\n\
        github-authentication-token-expiration: 2027-01-01 00:00:00 UTC\r\n\
        x-github-sso: required; url=https://github.com/x\r\n\
        content-security-policy: default-src 'none'\r\n\
        content-type: application/json\r\n\
        date: Fri, 15 Jan 2027 08:00:00 GMT\r\n\
        etag: \"a\"\r\n\
        vary: Accept\r\n\
        vary: Authorization\r\n\
        x-accepted-github-permissions: issues=read\r\n\
        x-github-request-id: A:1\r\n\
        x-ratelimit-remaining: 7\r\n\
        \r\n\
        2\r\n{}\r\n0\r\nx-check: 1\r\n\r\n";
    let (forwarded, _) = upstream.answering(upstream.get("/user"), text).await;
    let forwarded = forwarded.ok().unwrap();
    let mut left: Vec<_> = forwarded
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "content-security-policy: default-src 'none'",
            "content-type: application/json",
            "date: Fri, 15 Jan 2027 08:00:00 GMT",
            "etag: \"a\"",
            "vary: Accept",
            "vary: Authorization",
            "x-accepted-github-permissions: issues=read",
            "x-github-request-id: A:1",
            "x-ratelimit-remaining: 7",
        ]
    );
    assert_eq!(body(forwarded.body).await.unwrap(), "{}");
}

#[tokio::test]
async fn the_next_page_has_the_path_that_was_asked_for() {
    for (upstream, own) in [
        (Upstream::new().await, "/repos/acme/site/labels"),
        (
            Upstream::enterprise_server().await,
            "/api/v3/repos/acme/site/labels",
        ),
    ] {
        let links = "<https://api.github.com/repositories/7/labels?page=2>; rel=\"next\", \
             <https://docs.github.com/x>; rel=\"deprecation\"";
        let asked = Forward {
            query: Some("per_page=1"),
            ..upstream.get("/repos/acme/site/labels")
        };
        let text = answer(200, &[("link", links), ("link", "no link")], "[]");
        let (forwarded, request) = upstream.answering(asked, &text).await;
        assert!(
            request.starts_with(&format!("GET {own}?per_page=1 HTTP/1.1\r\n")),
            "{request}"
        );
        let headers = forwarded.ok().unwrap().headers;
        let links: Vec<_> = headers.get_all(LINK).iter().collect();
        assert_eq!(
            links,
            [&*format!(
                "<https://api.github.com{own}?page=2>; rel=\"next\", \
                 <https://docs.github.com/x>; rel=\"deprecation\""
            )]
        );
    }
    let upstream = Upstream::new().await;
    let text = answer(200, &[("link", "</x>; rel=\"next")], "[]");
    let (forwarded, _) = upstream.answering(upstream.get("/user"), &text).await;
    assert_eq!(forwarded.ok().unwrap().headers.get(LINK), None);
}
