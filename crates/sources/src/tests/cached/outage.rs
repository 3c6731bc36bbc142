//! What fails uses up no one's day, and its end is noticed soon.

use std::sync::atomic::Ordering;

use super::*;
use crate::one_password::{OnePasswordError, Part, Plan};

/// The least there is: 500 requests of a thousand. Each reading by names costs four.
fn bench() -> Bench {
    Bench::with(Plan::Individual, 4)
}

impl Bench {
    fn is_silent(&self, silent: bool) {
        self.world.0.silent.store(silent, Ordering::Relaxed);
    }

    /// A lease every minute for so long, with what upkeep asks between them. Whether one of them was
    /// refused because too much had been asked.
    async fn a_lease_every_minute(&self, minutes: u64, of: &[SourceSpec]) -> bool {
        let mut too_much = false;
        for _ in 0..minutes {
            self.read_what_is_due().await;
            for source in of {
                if let Err(error) = self.take(source).await {
                    too_much |= error.to_string().contains("tokend allows itself");
                }
            }
            self.pass(60);
        }
        too_much
    }

    fn spent(&self) -> u32 {
        self.sources
            .one_password
            .requests_in_a_day(self.context.now())
            .0
    }
}

const DAY: u64 = 24 * 60;

#[tokio::test]
async fn a_day_of_an_outage_stays_within_the_day_and_its_end_is_noticed_within_two_minutes() {
    let bench = bench();
    let sources = [item("one"), item("two"), item("three")];
    assert!(!bench.a_lease_every_minute(1, &sources).await);
    bench.world.says(Err(down()));
    bench.is_silent(true);
    assert!(!bench.a_lease_every_minute(DAY, &sources).await);
    let (spent, allowed) = (bench.spent(), 500);
    assert!(spent < allowed, "{spent}");
    let refused = bench.take(&sources[0]).await;
    assert!(again_in(refused) <= 120, "although nothing stale is left");
    bench.world.says(Ok("ghp_two"));
    bench.is_silent(false);
    bench.pass(120);
    for source in &sources {
        assert_eq!(bench.take(source).await, Ok(("ghp_two".to_owned(), false)));
    }
}

#[tokio::test]
async fn a_day_of_one_value_that_fails_alone_stays_within_the_day() {
    for error in [down(), OnePasswordError::NoSuch(Part::Item)] {
        let bench = bench();
        let source = [item("wrong")];
        bench.world.says(Err(error));
        assert!(!bench.a_lease_every_minute(DAY, &source).await);
        let spent = bench.spent();
        assert!(spent < 450, "others have some left: {spent}");
    }
}

#[tokio::test]
async fn what_failed_is_asked_again_for_a_lease_and_not_ahead_of_need() {
    let bench = bench();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL * 3 / 4);
    bench.world.says(Err(down()));
    let due = bench.sources.cache.due(bench.context.now());
    assert_eq!(due, std::slice::from_ref(&source));
    assert!(bench.refresh(&source).await.is_err());
    for _ in 0..TTL {
        bench.pass(1);
        assert_eq!(bench.sources.cache.due(bench.context.now()), []);
    }
    assert_eq!(bench.world.reads(), 2);
    bench.world.says(Ok("ghp_two"));
    assert_eq!(bench.take(&source).await, Ok(("ghp_two".to_owned(), false)));
}

#[tokio::test]
async fn a_place_that_gives_values_and_never_tells_its_limits_is_asked_in_the_end() {
    let bench = bench();
    let source = item("label-sync");
    bench.is_silent(true);
    bench.world.says(Err(down()));
    bench
        .a_lease_every_minute(60, std::slice::from_ref(&source))
        .await;
    bench.world.says(Ok("ghp_one"));
    bench
        .a_lease_every_minute(18, std::slice::from_ref(&source))
        .await;
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), false)));
    // And from then on it is asked itself.
    bench.pass(TTL + STALE);
    bench.world.says(Ok("ghp_two"));
    assert_eq!(bench.take(&source).await, Ok(("ghp_two".to_owned(), false)));
    // But not for a day in which it gives nothing.
    bench.world.says(Err(down()));
    let one = std::slice::from_ref(&source);
    assert!(!bench.a_lease_every_minute(DAY, one).await);
    let spent = bench.spent();
    assert!(spent < 500, "{spent}");
}

#[tokio::test]
async fn many_values_do_not_each_find_out_that_1password_is_down() {
    let bench = bench();
    let many: Vec<SourceSpec> = (0..60).map(|nth| item(&format!("item-{nth}"))).collect();
    bench.world.says(Err(down()));
    bench.is_silent(true);
    assert!(!bench.a_lease_every_minute(60, &many).await);
    let spent = bench.spent();
    assert!(spent < 30, "{spent}");
}
