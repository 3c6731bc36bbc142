//! Slow places: asked seldom, by one at a time, and left alone when they fail.

mod down;
mod outage;
mod stage;

use std::sync::atomic::Ordering;

pub(crate) use self::stage::ManualContext;
pub(super) use self::stage::World;
use self::stage::*;
use super::*;

#[tokio::test]
async fn sixty_four_who_come_at_once_ask_once_and_so_does_nobody_within_the_ttl() {
    let bench = Bench::new();
    let source = item("label-sync");
    let all = bench.read_at_once(64, &source, ReadOptions::LEASE).await;
    assert!(
        all.iter()
            .all(|taken| *taken == Ok(("ghp_one".to_owned(), false)))
    );
    assert_eq!(bench.world.reads(), 1);
    bench.pass(TTL - 1);
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), false)));
    assert_eq!(
        (
            bench.world.reads(),
            bench.context.requests.load(Ordering::Relaxed)
        ),
        (1, 1)
    );
    assert_eq!(
        bench.sources.hashed(&source),
        Some(HashedToken::of(b"ghp_one"))
    );
}

#[tokio::test]
async fn past_its_time_a_value_is_read_again_and_what_is_in_use_before_that() {
    let bench = Bench::new();
    let (used, unused) = (item("used"), item("unused"));
    bench.take(&used).await.unwrap();
    bench.take(&unused).await.unwrap();
    assert!(bench.sources.cache.due(bench.context.now()).is_empty());
    bench.pass(TTL * 3 / 4);
    assert_eq!(
        bench.sources.cache.due(bench.context.now()).len(),
        2,
        "each was served once"
    );
    bench.world.says(Ok("ghp_two"));
    let options = ReadOptions {
        since: Some(bench.context.now().boot),
        ..ReadOptions::LEASE
    };
    assert_eq!(
        bench.read(&used, options).await,
        Ok(("ghp_two".to_owned(), false))
    );
    bench.pass(TTL);
    assert_eq!(bench.take(&unused).await, Ok(("ghp_two".to_owned(), false)));
    assert_eq!(bench.world.reads(), 5, "with it, what is in use");
}

#[tokio::test]
async fn a_value_that_nobody_uses_is_read_ahead_of_need_once_and_then_left_alone() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL * 3 / 4);
    assert_eq!(bench.sources.cache.due(bench.context.now()).len(), 1);
    assert_eq!(bench.refresh(&source).await, Ok(()));
    bench.pass(TTL * 3 / 4);
    assert!(bench.sources.cache.due(bench.context.now()).is_empty());
    bench.pass(TTL);
    let state = bench
        .sources
        .cache
        .state_of(&source, bench.context.now())
        .unwrap();
    assert_eq!(state.stale_since, None, "its place is not down");
    // A lease is taken again.
    bench.take(&source).await.unwrap();
    assert_eq!(bench.world.reads(), 3);
    bench.pass(TTL * 3 / 4);
    assert_eq!(bench.sources.cache.due(bench.context.now()).len(), 1);
}

#[tokio::test]
async fn what_the_broker_has_for_itself_is_not_read_ahead_of_need() {
    let bench = Bench::new();
    let source = item("label-sync");
    let had = bench
        .sources
        .read(recorded(), &source, ReadOptions::UPKEEP, &bench.context);
    assert!(had.await.is_ok());
    bench.pass(TTL * 3 / 4);
    assert_eq!(bench.sources.cache.due(bench.context.now()), []);
    bench.take(&source).await.unwrap();
    assert_eq!(bench.sources.cache.due(bench.context.now()).len(), 1);
}

#[tokio::test]
async fn a_value_past_every_bound_is_wiped_and_its_hash_is_not() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL + STALE - 1);
    let wiped = || bench.sources.cache.wipe_expired(bench.context.now());
    assert_eq!(wiped(), None);
    bench.pass(1);
    assert_eq!(wiped().as_ref(), Some(&source));
    assert_eq!(wiped(), None, "once");
    let hashed = bench.sources.hashed(&source);
    assert_eq!(hashed, Some(HashedToken::of(b"ghp_one")), "it was checked");
    bench.world.says(Err(down()));
    assert!(bench.take(&source).await.is_err());
}

#[tokio::test]
async fn a_lock_forgets_what_was_kept_and_an_answer_that_was_under_way() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.sources.cache.close();
    assert_eq!(bench.sources.hashed(&source), None);
    assert_eq!(
        bench.take(&source).await,
        Err(SourceError::NotHere),
        "locked"
    );
    bench.sources.cache.open();
    bench.world.0.hangs.store(true, Ordering::Relaxed);
    let asked = bench.take(&source);
    let locked = async {
        while bench.world.reads() < 2 {
            tokio::task::yield_now().await;
        }
        bench.sources.cache.close();
        bench.world.0.goes_on.notify_one();
    };
    let (asked, ()) = tokio::join!(asked, locked);
    assert_eq!(asked, Err(SourceError::NotHere));
    assert_eq!(bench.sources.hashed(&source), None);
}

#[tokio::test]
async fn a_value_of_an_earlier_run_is_as_old_as_it_is() {
    let bench = Bench::new();
    let source = item("label-sync");
    let kept = |value: &str| Fetched {
        value: AccessToken::new(value.to_owned()),
        version: None,
    };
    let now = bench.context.now();
    bench.world.says(Err(down()));
    let an_hour_ago = "2026-11-22T06:00:00Z".parse().unwrap();
    bench
        .sources
        .cache
        .restore(&source, &kept("ghp_kept"), an_hour_ago, now);
    assert_eq!(bench.take(&source).await, Ok(("ghp_kept".to_owned(), true)));
    let state = bench
        .sources
        .cache
        .state_of(&source, bench.context.now())
        .unwrap();
    assert_eq!(state.read_at, an_hour_ago);
    bench.pass(TTL);
    assert!(
        bench.take(&source).await.is_err(),
        "beyond ttl and stale together"
    );
    // A clock that was set back says nothing of the age: it may be past every bound.
    let other = item("other");
    let tomorrow = "2026-11-23T07:00:00Z".parse().unwrap();
    bench
        .sources
        .cache
        .restore(&other, &kept("ghp_other"), tomorrow, bench.context.now());
    assert!(bench.take(&other).await.is_err());
}
