//! The client against a server that plays a script, on plain TCP: one step a connection. Here: what is
//! sent, and what comes of what is answered.

mod limits;
mod stage;

use broker_clock::ManualClock;
use broker_https::{BodyError, NotReached, Unreachable};
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use static_assertions::assert_not_impl_any;
use tokio::net::TcpListener;

use self::stage::{Stage, Step, answer, bot, error, ok};
use super::*;

assert_not_impl_any!(AppJwt: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Reply: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Call<'static>: Clone, std::fmt::Debug, serde::Serialize);

const CANARY: &str = "ghp_canary_7f3a_in_a_test";

#[tokio::test]
async fn a_request_says_who_asks_what_and_in_which_version() {
    let stage = Stage::new([answer(201, &[], r#"{"id":7}"#)]).await;
    let token = AccessToken::new(CANARY.to_owned());
    let reply = stage
        .ask(Call {
            method: Method::POST,
            path: "/repos/acme/site/issues?x=1".to_owned(),
            credential: Credential::Token(&token),
            principal: None,
            body: Some(serde_json::json!({"title": "hello"})),
            retry: Retry::Once,
        })
        .await
        .ok()
        .unwrap();
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json::<serde_json::Value>().unwrap()["id"], 7);
    let request = stage.requests.lock().unwrap().pop().unwrap();
    for line in [
        "POST /repos/acme/site/issues?x=1 HTTP/1.1",
        concat!("user-agent: tokend/", env!("CARGO_PKG_VERSION")),
        "accept: application/vnd.github+json",
        "x-github-api-version: 2026-03-10",
        &format!("authorization: Bearer {CANARY}"),
        "content-type: application/json",
        r#"{"title":"hello"}"#,
    ] {
        assert!(
            request.lines().any(|found| found == line),
            "{line} in {request}"
        );
    }
}

#[tokio::test]
async fn a_fault_is_asked_three_times_and_a_success_among_them_is_one() {
    let stage = Stage::new([answer(502, &[], ""), Step::Close, ok("{}")]).await;
    assert!(stage.get("/user").await.is_ok());
    assert_eq!(stage.asked(), 3);
    let slept = stage.slept.lock().unwrap().clone();
    assert!(slept.len() == 2 && slept[0] < slept[1], "{slept:?}");

    let stage = Stage::new([
        answer(500, &[], ""),
        answer(502, &[], ""),
        answer(503, &[], ""),
    ])
    .await;
    let error = error(stage.get("/user").await);
    assert!(
        matches!(error, GitHubError::Fault { status: 503, .. }),
        "{error}"
    );
    assert_eq!((stage.asked(), error.outcome()), (3, Outcome::Unknown));
}

#[tokio::test]
async fn what_must_happen_once_is_asked_once_when_the_reply_is_lost() {
    for step in [Step::Close, answer(502, &[], "")] {
        let stage = Stage::new([step, ok("{}")]).await;
        let error = error(stage.post("/app/installations/7/access_tokens").await);
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        assert_eq!(stage.asked(), 1);
    }
}

#[tokio::test]
async fn a_cut_off_success_is_known_to_have_happened() {
    let cut = || {
        Step::Answer(
            "HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\n{\"token\":\"ghs_half".to_owned(),
        )
    };
    let stage = Stage::new([cut()]).await;
    let error = error(stage.post("/app/installations/7/access_tokens").await);
    assert_eq!(
        error,
        GitHubError::BadAnswer {
            status: 201,
            what: BodyError::Truncated.into()
        }
    );
    assert_eq!((stage.asked(), error.outcome()), (1, Outcome::Done));
    let stage = Stage::new([cut(), ok("{}")]).await;
    assert!(stage.get("/user").await.is_ok(), "what may be repeated is");
}

#[tokio::test]
async fn nobody_listening_is_surely_not_done_and_may_be_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let stage = Stage::at(&api, Arc::default());
    let error = error(stage.post("/credentials/revoke").await);
    assert!(
        matches!(
            error,
            GitHubError::Unreachable(NotReached {
                why: Unreachable::Connect,
                may_have_happened: false,
                ..
            })
        ),
        "{error}"
    );
    assert_eq!(stage.slept.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_may_have_done_it() {
    let stage = Stage::new([Step::Hang]).await;
    let error = error(stage.post("/app/installations/7/access_tokens").await);
    assert!(
        matches!(
            error,
            GitHubError::Unreachable(NotReached {
                why: Unreachable::TimedOut,
                may_have_happened: true,
                ..
            })
        ),
        "{error}"
    );
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn a_wrong_credential_is_sent_once() {
    let refused = answer(401, &[], r#"{"message":"Bad credentials","status":"401"}"#);
    let stage = Stage::new([refused, ok("{}")]).await;
    let error = error(stage.get("/user").await);
    assert_eq!(
        error.to_string(),
        "GitHub does not accept the credential (401, “Bad credentials”)"
    );
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_error_names_no_path_or_query() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let moved = format!("http://{address}/repositories/7?token=abc");
    let portal = format!("http://{address}/login?token=abc");
    let stage = Stage::new([
        answer(301, &[("location", &moved)], ""),
        answer(302, &[("location", &portal)], ""),
    ])
    .await;
    let token = AccessToken::new(CANARY.to_owned());
    let ask = || stage.ask(Call::get("/repos/acme/old", Credential::Token(&token)));
    let renamed = error(ask().await);
    assert_eq!(
        renamed,
        GitHubError::Moved {
            status: 301,
            to: Some("/repositories/7".into())
        }
    );
    let intercepted = error(ask().await);
    assert!(intercepted.is_unavailable());
    assert_eq!(intercepted.outcome(), Outcome::NotDone);
    let text = intercepted.to_string();
    let says =
        "something on the way to it answered (302, a redirect to `127.0.0.1`): a captive portal";
    assert!(text.contains(says), "{text}");
    for error in [renamed, intercepted] {
        let text = error.to_string();
        assert!(!text.contains("abc") && !text.contains("login"), "{text}");
    }
    tokio::select! {
        biased;
        _ = elsewhere.accept() => panic!("the redirect was followed"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_or_too_large_is_an_error_without_its_text() {
    let page = format!("\r\n<html>{CANARY}");
    let stage = Stage::new([ok(&format!("{{\"login\":\"{CANARY}\"")), ok(&page)]).await;
    for why in ["not the JSON that GitHub describes", "it is a web page"] {
        let reply = stage.get("/user").await.ok().unwrap();
        let error = reply.json::<User>().err().unwrap();
        assert!(matches!(error, GitHubError::BadAnswer { status: 200, .. }));
        let text = error.to_string();
        assert!(text.contains(why) && !text.contains("canary"), "{text}");
    }
    let wrong_type = Stage::new([ok(&format!("{{\"login\":\"x\",\"id\":\"{CANARY}\"}}"))]).await;
    let reply = wrong_type.get("/user").await.ok().unwrap();
    let text = format!("{:?}", reply.json::<User>().err().unwrap());
    assert!(!text.contains("canary"), "{text}");

    let announced = "HTTP/1.1 200 X\r\ncontent-length: 9000000\r\n\r\n".to_owned();
    let chunks = format!("{:x}\r\n{}\r\n", 1_000_000, "x".repeat(1_000_000)).repeat(9);
    let streamed = format!("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
    for text in [announced, streamed] {
        let stage = Stage::new([Step::Answer(text)]).await;
        let error = error(stage.get("/user").await);
        let what = BodyError::TooLarge.into();
        assert_eq!(error, GitHubError::BadAnswer { status: 200, what });
    }
}

#[tokio::test]
async fn no_error_of_the_wire_holds_a_credential_a_query_or_a_body() {
    let token = AccessToken::new(CANARY.to_owned());
    for step in [
        Step::Close,
        answer(500, &[], CANARY),
        answer(418, &[], CANARY),
    ] {
        let stage = Stage::new([step]).await;
        let call = Call {
            method: Method::POST,
            path: format!("/x?q={CANARY}"),
            credential: Credential::Token(&token),
            principal: None,
            body: Some(serde_json::json!({ "value": CANARY })),
            retry: Retry::Once,
        };
        let error = error(stage.github.call(call).await);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary"), "{text}");
    }
    let bad = AccessToken::new("ghp_canary\nx: y".to_owned());
    let stage = Stage::new([]).await;
    let error = error(stage.get_with(&bad).await);
    assert_eq!(error, GitHubError::Unsendable);
    assert_eq!(stage.asked(), 0);
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("none.pem", None),
        ("empty.pem", Some("")),
        ("odd.pem", Some("x")),
    ] {
        let path = scratch.path().join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let github = GitHub::new(BaseUrl::default(), Some(path.clone()), Arc::new(clock));
        let error = error(github.call(Call::get("/user", Credential::None)).await);
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.outcome(), Outcome::NotDone);
    }
}
