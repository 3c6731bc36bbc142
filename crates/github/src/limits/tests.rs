use super::*;

const WALL: i64 = 1_800_000_000;

fn at(seconds: u64) -> Now {
    Now {
        wall: Timestamp::from_second(WALL + i64::try_from(seconds).unwrap()).unwrap(),
        boot: Duration::from_secs(1000 + seconds),
    }
}

fn rate(resource: &str, remaining: u64, reset: i64) -> ResourceLimit {
    ResourceLimit {
        resource: resource.into(),
        rate: RateLimit {
            limit: 5000,
            remaining,
            reset_at: Timestamp::from_second(WALL + reset).unwrap(),
        },
    }
}

fn answer(remaining: u64, reset: i64) -> ReplyHeaders {
    ReplyHeaders {
        rate: Some(rate(CORE, remaining, reset)),
        ..ReplyHeaders::default()
    }
}

fn bot() -> Principal {
    Principal::user("Acme-Bot")
}

fn wait(limits: &Limits, resource: &str, now: Now) -> Option<u64> {
    let limit = limits.limited(&bot(), resource, now)?;
    Some(limit.retry_after.as_secs())
}

#[test]
fn a_used_up_window_limits_its_principal_and_resource_until_it_ends() {
    let limits = Limits::default();
    limits.learn(&bot(), &answer(0, 100), at(0));
    assert_eq!(wait(&limits, CORE, at(0)), Some(100));
    assert_eq!(wait(&limits, "search", at(0)), None);
    assert_eq!(
        limits.limited(&Principal::Installation(7), CORE, at(0)),
        None
    );
    assert_eq!(wait(&limits, CORE, at(99)), Some(1));
    assert_eq!(wait(&limits, CORE, at(100)), None);
    assert_eq!(
        limits.rate(&bot(), CORE, at(100)),
        None,
        "a figure of a window that is over"
    );
}

#[test]
fn answers_that_overtake_each_other_never_raise_what_is_left() {
    let limits = Limits::default();
    for remaining in [10, 12, 9, 11] {
        limits.learn(&bot(), &answer(remaining, 100), at(0));
    }
    assert_eq!(limits.rate(&bot(), CORE, at(1)).unwrap().remaining, 9);
    limits.learn(&bot(), &answer(5000, 3700), at(100));
    limits.learn(&bot(), &answer(8, 100), at(101));
    assert_eq!(
        limits.rate(&bot(), CORE, at(101)).unwrap().remaining,
        5000,
        "a new window"
    );
}

#[test]
fn a_wall_clock_that_is_off_neither_hides_nor_prolongs_a_limit() {
    for off in [-7200, 7200] {
        let limits = Limits::default();
        let headers = ReplyHeaders {
            date: Some(at(0).wall),
            ..answer(0, 100)
        };
        let wrong = Now {
            wall: Timestamp::from_second(WALL + off).unwrap(),
            ..at(0)
        };
        limits.learn(&bot(), &headers, wrong);
        assert_eq!(wait(&limits, CORE, wrong), Some(100));
    }
}

#[test]
fn a_secondary_limit_holds_for_every_resource_as_long_as_github_says() {
    let limits = Limits::default();
    let told = ReplyHeaders {
        retry_after: Some(Duration::from_secs(17)),
        ..answer(4000, 100)
    };
    let waited = limits.refused(&bot(), LimitKind::Secondary, &told, at(0));
    assert_eq!(waited.as_secs(), 17);
    assert_eq!(wait(&limits, CORE, at(0)), Some(17));
    assert_eq!(wait(&limits, "search", at(16)), Some(1));
    assert_eq!(wait(&limits, CORE, at(17)), None);
}

#[test]
fn an_untold_secondary_limit_is_a_minute_and_doubles_while_it_comes_again() {
    let limits = Limits::default();
    let silent = answer(4000, 10_000);
    let mut now = 0;
    for expected in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let waited = limits.refused(&bot(), LimitKind::Secondary, &silent, at(now));
        assert_eq!(waited.as_secs(), expected);
        now += expected;
    }
    let waited = limits.refused(&bot(), LimitKind::Secondary, &silent, at(now + 601));
    assert_eq!(waited.as_secs(), 60, "behaved for ten minutes: forgotten");
}

#[test]
fn a_lock_out_holds_for_a_quarter_of_an_hour_whatever_is_asked() {
    let limits = Limits::default();
    let waited = limits.refused(&bot(), LimitKind::LockOut, &ReplyHeaders::default(), at(0));
    assert_eq!(waited.as_secs(), 900);
    let hold = limits.held_off(&bot(), at(899)).unwrap();
    assert_eq!(
        (hold.kind, hold.retry_after.as_secs()),
        (LimitKind::LockOut, 1)
    );
    assert_eq!(wait(&limits, "search", at(899)), Some(1));
    assert_eq!(wait(&limits, CORE, at(900)), None);
    assert_eq!(limits.take_news()[0].kind, LimitKind::LockOut);
}

#[test]
fn calls_that_were_under_way_together_are_one_offence() {
    let limits = Limits::default();
    for _ in 0..5 {
        limits.refused(&bot(), LimitKind::Secondary, &answer(4000, 10_000), at(0));
    }
    assert_eq!(wait(&limits, CORE, at(0)), Some(60));
    assert_eq!(limits.take_news().len(), 1);
}

#[test]
fn a_primary_limit_without_a_told_wait_ends_with_its_window() {
    let limits = Limits::default();
    let waited = limits.refused(&bot(), LimitKind::Primary, &answer(0, 100), at(0));
    assert_eq!(waited.as_secs(), 100);
    assert_eq!(
        wait(&limits, "search", at(0)),
        None,
        "of its own resource only"
    );
}

#[test]
fn becoming_limited_is_told_once_a_window() {
    let limits = Limits::default();
    for second in 0..3 {
        limits.learn(&bot(), &answer(0, 100), at(second));
    }
    let news = limits.take_news();
    assert_eq!(news.len(), 1);
    assert_eq!(
        (news[0].kind, news[0].resource.as_deref()),
        (LimitKind::Primary, Some(CORE))
    );
    assert!(limits.take_news().is_empty());
    limits.learn(&bot(), &answer(0, 100), at(4));
    assert!(limits.take_news().is_empty());
    limits.learn(&bot(), &answer(0, 3700), at(100));
    assert_eq!(limits.take_news().len(), 1, "the next window");
}

#[test]
fn an_odd_reset_keeps_nobody_away_for_longer_than_an_hour() {
    let limits = Limits::default();
    limits.learn(&bot(), &answer(0, 400_000_000), at(0));
    assert_eq!(wait(&limits, CORE, at(0)), Some(3600));
}

#[test]
fn memory_is_bounded_and_who_is_limited_is_forgotten_last() {
    let limits = Limits::default();
    limits.refused(&bot(), LimitKind::Secondary, &answer(10, 3600), at(0));
    for id in 0..MOST_PRINCIPALS as u64 + 10 {
        limits.learn(&Principal::Installation(id), &answer(10, 3600), at(1));
    }
    for number in 0..2 * MOST_RESOURCES {
        limits.learn_rate(&bot(), rate(&format!("r{number}"), 1, 100), None, at(1));
    }
    let view = limits.view(at(1));
    assert_eq!(view.len(), MOST_PRINCIPALS);
    let known = view
        .iter()
        .find(|view| view.principal == bot().to_string())
        .unwrap();
    assert_eq!(known.resources.len(), MOST_RESOURCES);
    assert!(known.held_off.is_some());
}

#[test]
fn a_server_without_limits_limits_nobody() {
    // Enterprise Server has them off by default and may answer with zeros.
    let limits = Limits::default();
    let mut off = rate(CORE, 0, 100);
    off.rate.limit = 0;
    limits.learn_rate(&bot(), off, None, at(0));
    assert_eq!(wait(&limits, CORE, at(0)), None);
    assert!(limits.take_news().is_empty());
}
