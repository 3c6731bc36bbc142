//! When GitHub is asked, asked again, and left alone.

use super::*;

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
    assert!(matches!(second, GitHubError::Unreachable(_)), "{second}");
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
    let left = stage.github.limits.rate(&bot(), CORE, stage.clock.now());
    assert_eq!(left.unwrap().remaining, 4831);
}

#[tokio::test]
async fn the_free_poll_feeds_every_resource_known_or_not() {
    let body = r#"{"resources":{
        "core":{"limit":5000,"used":1,"remaining":4999,"reset":1800000100},
        "search":{"limit":30,"used":30,"remaining":0,"reset":1800000010},
        "made_of_tomorrow":{"limit":3,"used":1,"remaining":2,"reset":1800000100}}}"#;
    let stage = Stage::new([ok(body)]).await;
    let polled = stage.github.rate_limit(Credential::None, &bot()).await;
    polled.unwrap();
    let (limits, now) = (&stage.github.limits, stage.clock.now());
    assert_eq!(limits.view(now)[0].resources.len(), 3);
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
