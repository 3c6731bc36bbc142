//! A place that is down, refuses, has a limit, or takes its time.

use std::sync::atomic::Ordering;

use super::*;
use crate::one_password::{OnePasswordError, Part};

#[tokio::test]
async fn while_the_place_is_down_a_value_is_served_marked_within_its_bound_and_not_beyond() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.world.says(Err(down()));
    bench.pass(TTL);
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), true)));
    let state = bench
        .sources
        .cache
        .state_of(&source, bench.context.now())
        .unwrap();
    assert_eq!(
        state.stale_since,
        Some("2026-11-22T07:10:00Z".parse().unwrap())
    );
    assert!(bench.fault(&source).is_some(), "people are told");
    bench.pass(STALE - 1);
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), true)));
    bench.pass(1);
    assert!(again_in(bench.take(&source).await) > 0);
    assert_eq!(
        bench.sources.cache.state_of(&source, bench.context.now()),
        None,
        "it is wiped"
    );
    bench.world.says(Ok("ghp_two"));
    bench.pass(120);
    assert_eq!(bench.take(&source).await, Ok(("ghp_two".to_owned(), false)));
    assert_eq!(bench.fault(&source), None);
}

#[tokio::test]
async fn a_place_that_does_not_give_the_value_any_more_is_believed_at_once() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.world.says(Err(OnePasswordError::NoSuch(Part::Item)));
    bench.pass(TTL);
    let refused = bench.take(&source).await;
    assert!(refused.unwrap_err().to_string().contains("no such item"));
    assert_eq!(bench.sources.hashed(&source), None);
    let forgotten = bench.context.forgotten.load(Ordering::Relaxed);
    assert_eq!(forgotten, 1, "what was kept beyond this run, too");
    bench.world.says(Err(down()));
    bench.pass(30);
    assert!(
        bench.take(&source).await.is_err(),
        "nothing older is served after that"
    );
}

#[tokio::test]
async fn a_failure_is_asked_about_again_after_a_while_that_doubles() {
    let bench = Bench::new();
    let source = item("wrong");
    bench.world.says(Err(OnePasswordError::NoSuch(Part::Item)));
    let mut pauses = Vec::new();
    for reads in 1..=7 {
        pauses.push(again_in(bench.take(&source).await));
        bench.pass(pauses.last().unwrap() - 1);
        assert_eq!(again_in(bench.take(&source).await), 1);
        assert_eq!(bench.world.reads(), reads);
        bench.pass(1);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
    // An operator who fixed it says so by reloading the policies.
    bench.world.says(Ok("ghp_one"));
    assert!(bench.take(&source).await.is_ok());
    bench.world.says(Err(OnePasswordError::NoSuch(Part::Item)));
    bench.pass(TTL);
    assert!(bench.take(&source).await.is_err());
    bench.world.says(Ok("ghp_two"));
    bench.sources.load([&source], &bench.context).await;
    assert_eq!(bench.take(&source).await, Ok(("ghp_two".to_owned(), false)));
}

#[tokio::test]
async fn a_limit_that_1password_tells_holds_for_every_reference_and_not_for_the_keyring() {
    let bench = Bench::new();
    let (known, other) = (item("known"), item("other"));
    bench.take(&known).await.unwrap();
    let told = Duration::from_secs(58 * 60);
    bench.world.says(Err(OnePasswordError::Limited(Some(told))));
    assert_eq!(again_in(bench.take(&other).await), 58 * 60);
    bench.pass(TTL);
    assert_eq!(bench.take(&known).await, Ok(("ghp_one".to_owned(), true)));
    assert_eq!(
        bench.world.reads(),
        2,
        "it was not asked for the one that is known"
    );
    let why = bench.fault(&known).unwrap().to_string();
    assert!(why.contains("1Password's limit of requests"), "{why}");
    let third = item("third");
    assert!(again_in(bench.take(&third).await) > 0, "never read");
    assert!(bench.fault(&third).is_some(), "nor is that hidden");
    let state = bench
        .sources
        .cache
        .state_of(&known, bench.context.now())
        .unwrap();
    assert!(state.stale_since.is_some(), "people are told");
    bench.world.says(Ok("from the keyring"));
    assert!(
        bench
            .take(&"keyring:label-sync".parse().unwrap())
            .await
            .is_ok()
    );
    bench.world.says(Ok("ghp_two"));
    bench.pass(58 * 60 - TTL);
    assert_eq!(bench.fault(&third), None, "it is over");
    assert_eq!(bench.take(&other).await, Ok(("ghp_two".to_owned(), false)));
}

#[tokio::test]
async fn leases_on_a_value_past_its_time_wait_a_little_for_one_question_and_not_for_its_end() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL);
    bench.world.0.hangs.store(true, Ordering::Relaxed);
    bench.world.says(Ok("ghp_two"));
    let stale = |taken: Result<Taken, SourceError>| {
        let taken = taken.ok().unwrap();
        (taken.value.expose() == "ghp_one") && taken.stale_since.is_some()
    };
    let for_lease = ReadOptions {
        for_lease: true,
        ..ReadOptions::UPKEEP
    };
    let lease = || {
        bench
            .sources
            .read(recorded(), &source, for_lease, &bench.context)
    };
    let leases = async {
        let (first, second) = tokio::join!(lease(), lease());
        let third = lease().await;
        assert!(stale(first) && stale(second) && stale(third));
        assert_eq!(bench.world.reads(), 2, "one question for all of them");
        bench.world.0.goes_on.notify_one();
    };
    let upkeep = async {
        bench.sources.awaited().await;
        bench.read_what_is_due().await;
    };
    tokio::join!(leases, upkeep);
    // No one waited for it any more, and it is there.
    let newer = lease().await.ok().unwrap();
    assert_eq!(newer.value.expose(), "ghp_two");
    assert_eq!(newer.stale_since, None);
    assert_eq!(bench.world.reads(), 2);
    assert_eq!(bench.sources.cache.due(bench.context.now()), []);
}

#[tokio::test]
async fn what_a_lease_waited_for_and_did_not_get_is_noted_once() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL);
    bench.world.says(Err(down()));
    let all = bench.read_at_once(64, &source, ReadOptions::LEASE).await;
    let stale = Ok(("ghp_one".to_owned(), true));
    assert!(all.iter().all(|taken| *taken == stale));
    assert_eq!(bench.world.reads(), 2);
    assert!(bench.fault(&source).is_some());
    bench.pass(4);
    assert_eq!(bench.take(&source).await, stale);
    assert_eq!(bench.world.reads(), 2, "it is left alone for 5 s");
    bench.pass(1);
    bench.world.says(Ok("ghp_two"));
    assert_eq!(bench.take(&source).await, Ok(("ghp_two".to_owned(), false)));
    assert_eq!(bench.world.reads(), 3);
}

#[tokio::test]
async fn whoever_needs_a_newer_value_asks_by_himself() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL);
    bench.world.says(Ok("ghp_two"));
    // No upkeep is there.
    let options = ReadOptions {
        since: Some(bench.context.now().boot),
        for_lease: true,
    };
    let fresh = bench
        .sources
        .read(recorded(), &source, options, &bench.context);
    assert_eq!(fresh.await.ok().unwrap().value.expose(), "ghp_two");
    bench.pass(TTL);
    bench.world.says(Ok("ghp_three"));
    let options = ReadOptions::UPKEEP;
    let looked = bench
        .sources
        .read(recorded(), &source, options, &bench.context);
    assert_eq!(looked.await.ok().unwrap().value.expose(), "ghp_three");
}
