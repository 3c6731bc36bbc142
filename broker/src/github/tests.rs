//! The client against a server that plays a script, on plain TCP: one step a connection.

use std::collections::VecDeque;

use jiff::Timestamp;
use static_assertions::assert_not_impl_any;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::ManualClock;

assert_not_impl_any!(AppJwt: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Reply: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Call<'static>: Clone, std::fmt::Debug, serde::Serialize);

const CANARY: &str = "ghp_canary_7f3a_in_a_test";

/// What the server does with a request it has read.
enum Step {
    /// Sends this and closes.
    Answer(String),
    /// Closes without a word: done, or not done, nobody can tell.
    Close,
    /// Says nothing and keeps the connection.
    Hang,
}

struct Stage {
    github: GitHub,
    clock: ManualClock,
    requests: Arc<Mutex<Vec<String>>>,
    slept: Arc<Mutex<Vec<Duration>>>,
}

impl Stage {
    /// Steps are played in order; a request past the last one finds the connection closed.
    async fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let steps: VecDeque<Step> = steps.into_iter().collect();
        tokio::spawn(play(listener, steps, Arc::clone(&requests)));
        Self::at(&api, requests)
    }

    fn at(api: &str, requests: Arc<Mutex<Vec<String>>>) -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let slept = Arc::new(Mutex::new(Vec::new()));
        let settings = Settings {
            api: BaseUrl::parse(api).unwrap(),
            ca: None,
        };
        let (timer, times) = (clock.clone(), Arc::clone(&slept));
        let sleep: Sleep = Box::new(move |wait| {
            timer.advance(wait);
            times.lock().unwrap().push(wait);
            Box::pin(std::future::ready(()))
        });
        // Long enough for an answer on a loaded machine, and only waited out by a server that hangs.
        let total = Duration::from_secs(2);
        let github = GitHub::assembled(settings, Arc::new(clock.clone()), sleep, total);
        Self {
            github,
            clock,
            requests,
            slept,
        }
    }

    async fn get(&self, path: &str) -> Result<Reply, GitHubError> {
        self.ask(Call::get(path, Credential::None)).await
    }

    async fn post(&self, path: &str) -> Result<Reply, GitHubError> {
        let mut call = Call::get(path, Credential::None);
        call.method = Method::POST;
        call.retry = Retry::Once;
        self.ask(call).await
    }

    async fn ask(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        self.github.call(call.drawing_on(Some(bot()))).await
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn play(listener: TcpListener, mut steps: VecDeque<Step>, requests: Arc<Mutex<Vec<String>>>) {
    let mut kept = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        requests.lock().unwrap().push(request);
        match steps.pop_front() {
            Some(Step::Answer(text)) => stream.write_all(text.as_bytes()).await.unwrap(),
            Some(Step::Hang) => kept.push(stream),
            Some(Step::Close) | None => {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        text.push(byte[0]);
    }
    let mut text = String::from_utf8(text).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    text.push_str(str::from_utf8(&body).unwrap());
    text
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    Step::Answer(format!("{text}\r\n{body}"))
}

fn ok(body: &str) -> Step {
    answer(200, &[], body)
}

fn bot() -> Principal {
    Principal::user("acme-bot")
}

fn error(result: Result<Reply, GitHubError>) -> GitHubError {
    result.err().expect("an error")
}

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
            what: BadAnswer::Truncated
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
            GitHubError::Unreachable {
                why: Unreachable::Connect,
                may_have_happened: false,
                ..
            }
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
            GitHubError::Unreachable {
                why: Unreachable::TimedOut,
                may_have_happened: true,
                ..
            }
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
async fn a_redirect_is_not_followed_and_its_error_names_no_address() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/repositories/7?token=abc",
        elsewhere.local_addr().unwrap()
    );
    let stage = Stage::new([answer(301, &[("location", &url)], "")]).await;
    let token = AccessToken::new(CANARY.to_owned());
    let call = Call::get("/repos/acme/old", Credential::Token(&token));
    let error = error(stage.ask(call).await);
    assert_eq!(
        error,
        GitHubError::Moved {
            status: 301,
            to: Some("/repositories/7".into())
        }
    );
    let text = error.to_string();
    assert!(
        !text.contains("127.0.0.1") && !text.contains("abc"),
        "{text}"
    );
    tokio::select! {
        biased;
        _ = elsewhere.accept() => panic!("somebody followed"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn a_principal_in_a_secondary_limit_is_not_asked_for_again_until_its_end() {
    let message = r#"{"message":"You have exceeded a secondary rate limit."}"#;
    let limited = answer(403, &[("retry-after", "40")], message);
    let stage = Stage::new([limited, ok("{}"), ok("{}")]).await;
    let wanted = GitHubError::Limited {
        kind: LimitKind::Secondary,
        principal: Some(bot()),
        retry_after: Duration::from_secs(40),
    };
    assert_eq!(error(stage.get("/user").await), wanted);
    stage.clock.advance(Duration::from_secs(30));
    let again = error(stage.get("/rate_limit").await);
    assert_eq!(again.retry_after(), Some(Duration::from_secs(10)));
    assert_eq!(stage.asked(), 1, "no further call to GitHub");

    let other = Call::get("/user", Credential::None).drawing_on(Some(Principal::user("other")));
    assert!(stage.github.call(other).await.is_ok());
    stage.clock.advance(Duration::from_secs(10));
    assert!(stage.get("/user").await.is_ok());
}

#[tokio::test]
async fn a_used_up_window_is_known_from_a_success_and_does_not_stop_what_is_free() {
    let used_up = [
        ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1800000090"),
        ("x-ratelimit-resource", "core"),
    ];
    let stage = Stage::new([answer(200, &used_up, "{}"), ok("{}"), ok("{}")]).await;
    assert!(stage.get("/user").await.is_ok());
    let error = error(stage.get("/user").await);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    assert!(stage.get("/search/issues?q=x").await.is_ok());
    assert!(stage.get("/rate_limit").await.is_ok());
    assert_eq!(stage.asked(), 3);
}

#[tokio::test]
async fn a_short_wait_that_github_asks_for_is_kept() {
    let limited = answer(429, &[("retry-after", "2")], r#"{"message":"slow down"}"#);
    let stage = Stage::new([limited, ok("{}")]).await;
    assert!(stage.post("/repos/acme/site/issues").await.is_ok());
    assert_eq!(*stage.slept.lock().unwrap(), [Duration::from_secs(2)]);
}

#[tokio::test]
async fn a_host_that_is_down_is_left_alone_then_probed_by_one_call() {
    let steps = (0..6).map(|_| Step::Close).chain([ok("{}")]);
    let stage = Stage::new(steps).await;
    assert!(stage.get("/user").await.is_err());
    assert_eq!(stage.github.breaker_state(), BreakerState::Closed);
    // The fifth failure in a row opens it, and the third attempt of this call is not made; the second
    // may have got through, and the error still says so.
    let second = error(stage.get("/user").await);
    assert!(
        matches!(second, GitHubError::Unreachable { .. }),
        "{second}"
    );
    assert_eq!(second.outcome(), Outcome::Unknown);
    assert_eq!(stage.github.breaker_state(), BreakerState::Open);
    let left_alone = stage.github.left_alone().unwrap().as_secs();
    assert!((4..=5).contains(&left_alone), "{left_alone}");
    let third = error(stage.get("/user").await);
    assert!(matches!(third, GitHubError::NotTried { .. }), "{third}");
    assert_eq!((stage.asked(), third.outcome()), (5, Outcome::NotDone));

    stage.clock.advance(Duration::from_secs(6));
    assert!(stage.post("/probe").await.is_err());
    stage.clock.advance(Duration::from_secs(11));
    assert!(stage.get("/user").await.is_ok());
    assert_eq!(stage.github.breaker_state(), BreakerState::Closed);
    assert!(stage.github.last_heard().is_some());
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_leave_the_breaker_waiting_for_it() {
    let stage = Stage::new((0..5).map(|_| Step::Close).chain([Step::Hang, ok("{}")])).await;
    for _ in 0..5 {
        assert!(stage.post("/x").await.is_err());
    }
    stage.clock.advance(Duration::from_secs(6));
    tokio::select! {
        biased;
        _ = stage.get("/user") => panic!("the server hangs"),
        () = async { while stage.asked() < 6 { tokio::task::yield_now().await; } } => {}
    }
    assert!(stage.get("/user").await.is_ok(), "the next one probes");
}

#[tokio::test]
async fn an_answer_that_is_no_json_or_too_large_is_an_error_without_its_text() {
    let stage = Stage::new([ok(&format!("{{\"login\":\"{CANARY}\"")), ok("<html>")]).await;
    for _ in 0..2 {
        let reply = stage.get("/user").await.ok().unwrap();
        let error = reply.json::<User>().err().unwrap();
        assert!(matches!(error, GitHubError::BadAnswer { status: 200, .. }));
        assert!(!error.to_string().contains("canary"), "{error}");
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
        let what = BadAnswer::TooLarge;
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

impl Stage {
    async fn get_with(&self, token: &AccessToken) -> Result<Reply, GitHubError> {
        self.ask(Call::get("/user", Credential::Token(token))).await
    }
}

#[tokio::test]
async fn whose_token_it_was_is_learned_with_what_is_left() {
    let rate = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "4831"),
        ("x-ratelimit-reset", "1800001000"),
        ("x-oauth-scopes", "repo, workflow"),
    ];
    let body = r#"{"login":"Acme-Bot","id":7,"user_view_type":"public"}"#;
    let stage = Stage::new([answer(200, &rate, body)]).await;
    let token = AccessToken::new(CANARY.to_owned());
    let (user, headers) = stage.github.user(&token, None).await.unwrap();
    assert_eq!(
        (&*user.login, headers.scopes.unwrap().len()),
        ("Acme-Bot", 2)
    );
    let left = stage.github.limits().rate(&bot(), CORE, stage.clock.now());
    assert_eq!(left.unwrap().remaining, 4831);
}

#[tokio::test]
async fn the_free_poll_feeds_every_resource_known_or_not() {
    let body = r#"{"resources":{
        "core":{"limit":5000,"used":1,"remaining":4999,"reset":1800000100},
        "search":{"limit":30,"used":30,"remaining":0,"reset":1800000010},
        "made_of_tomorrow":{"limit":3,"used":1,"remaining":2,"reset":1800000100}}}"#;
    let stage = Stage::new([ok(body)]).await;
    let polled = stage
        .github
        .rate_limit(Credential::None, &bot())
        .await
        .unwrap();
    assert_eq!(polled.rates.len(), 3);
    let (limits, now) = (stage.github.limits(), stage.clock.now());
    assert_eq!(
        limits
            .rate(&bot(), "made_of_tomorrow", now)
            .unwrap()
            .remaining,
        2
    );
    assert!(limits.limited(&bot(), "search", now).is_some());
    assert!(limits.limited(&bot(), CORE, now).is_none());
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
        let settings = Settings {
            api: BaseUrl::default(),
            ca: Some(path.clone()),
        };
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let github = GitHub::new(settings, Arc::new(clock));
        let error = error(github.call(Call::get("/user", Credential::None)).await);
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.outcome(), Outcome::NotDone);
    }
}
