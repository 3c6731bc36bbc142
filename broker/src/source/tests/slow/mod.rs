//! Slow places: asked seldom, by one at a time, and left alone when they fail.

mod outage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::source::one_password::{OnePasswordError, Part};

/// Places that give what a test says, and count.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Inside>);

#[derive(Default)]
struct Inside {
    says: Mutex<Option<Result<String, OnePasswordError>>>,
    reads: AtomicU32,
    hangs: AtomicBool,
    /// Not even its limits are told.
    silent: AtomicBool,
    /// Of 1Password's requests, each reading.
    costs: AtomicU32,
    goes_on: tokio::sync::Notify,
}

impl World {
    fn says(&self, answer: Result<&str, OnePasswordError>) {
        *self.0.says.lock().unwrap() = Some(answer.map(str::to_owned));
    }

    fn reads(&self) -> u32 {
        self.0.reads.load(Ordering::Relaxed)
    }
}

impl Ask for World {
    fn read<'a>(
        &'a self,
        source: &'a SourceSpec,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, SourceError>> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        async {
            tokio::task::yield_now().await;
            if self.0.hangs.load(Ordering::Relaxed) {
                self.0.goes_on.notified().await;
            }
            let answer = self.0.says.lock().unwrap().clone().unwrap();
            let fetched = answer.map(|value| Fetched {
                value: AccessToken::new(value),
                version: Some(7),
            });
            fetched.map_err(|cause| SourceError::OnePassword {
                place: source.to_string().into(),
                cause,
            })
        }
        .boxed()
    }

    fn limits<'a>(
        &'a self,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimit>, SourceError>> {
        async {
            if self.0.silent.load(Ordering::Relaxed) {
                return Err(SourceError::OnePassword {
                    place: "1Password".into(),
                    cause: down(),
                });
            }
            Ok(Vec::new())
        }
        .boxed()
    }

    fn can_write(&self, _: &SourceSpec) -> bool {
        true
    }

    fn write<'a>(
        &'a self,
        _: &'a SourceSpec,
        value: &'a AccessToken,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        self.says(Ok(value.expose()));
        async { Ok(()) }.boxed()
    }

    fn remove<'a>(
        &'a self,
        _: &'a SourceSpec,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        self.says(Err(OnePasswordError::NoSuch(Part::Field)));
        async { Ok(()) }.boxed()
    }

    fn cost(&self, source: &SourceSpec) -> u32 {
        u32::from(source.is_1password()) * self.0.costs.load(Ordering::Relaxed)
    }
}

/// A broker around it whose clock stands still, and which writes everything down.
pub(super) struct Still {
    clock: ManualClock,
    written: AtomicU32,
    forgotten: AtomicU32,
}

impl Default for Still {
    fn default() -> Self {
        Self {
            clock: ManualClock::at("2026-11-22T07:00:00Z".parse().unwrap()),
            written: AtomicU32::new(0),
            forgotten: AtomicU32::new(0),
        }
    }
}

impl Around for Still {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn token(&self) -> BoxFuture<'_, Result<Option<AccessToken>, SourceError>> {
        async { Ok(Some(AccessToken::new("ops_made_up".to_owned()))) }.boxed()
    }

    fn keep<'a>(&'a self, _: &'a SourceSpec, _: &'a Fetched) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }

    fn forget<'a>(&'a self, _: &'a SourceSpec) -> BoxFuture<'a, ()> {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        async {}.boxed()
    }

    fn write_down(&self, spent: Spent) -> BoxFuture<'_, Result<(), SourceError>> {
        self.written.store(spent.requests, Ordering::Relaxed);
        async { Ok(()) }.boxed()
    }
}

/// A broker with slow places.
struct Bench {
    world: World,
    sources: Sources,
    around: Still,
}

const TTL: u64 = 600;
const STALE: u64 = 3600;

impl Bench {
    fn new() -> Self {
        Self::with(Plan::Business, 1)
    }

    fn with(plan: Plan, costs: u32) -> Self {
        let world = World::default();
        world.0.costs.store(costs, Ordering::Relaxed);
        world.says(Ok("ghp_one"));
        let asked = Box::new(world.clone());
        Self {
            sources: Sources::new(|_| None, Times::default(), plan, asked),
            around: Still::default(),
            world,
        }
    }

    fn pass(&self, seconds: u64) {
        self.around.clock.advance(Duration::from_secs(seconds));
    }

    fn fault(&self, source: &SourceSpec) -> Option<SourceError> {
        self.sources.fault(source, self.around.now())
    }

    /// The value, and whether it was stale.
    async fn take(&self, source: &SourceSpec) -> Result<(String, bool), SourceError> {
        self.since(source, None).await
    }

    async fn since(
        &self,
        source: &SourceSpec,
        since: Option<Duration>,
    ) -> Result<(String, bool), SourceError> {
        let taken = self.sources.take(recorded(), source, since, &self.around);
        let upkeep = async {
            loop {
                self.sources.awaited().await;
                self.read_what_is_due().await;
            }
        };
        let taken = tokio::select! {
            biased;
            taken = taken => taken,
            () = upkeep => unreachable!(),
        };
        taken.map(|taken| (taken.value.expose().to_owned(), taken.stale_since.is_some()))
    }

    /// Upkeep, once.
    async fn read_what_is_due(&self) {
        let now = self.around.now();
        for source in self.sources.due(now) {
            // What it came to is noted.
            let _noted = self.refresh(&source).await;
        }
    }

    async fn refresh(&self, source: &SourceSpec) -> Result<(), SourceError> {
        let since = self.around.now().boot;
        let read = self
            .sources
            .refresh(recorded(), source, since, &self.around);
        read.await
    }
}

fn item(name: &str) -> SourceSpec {
    format!("op://Github-Tokens/{name}/credential")
        .parse()
        .unwrap()
}

fn down() -> OnePasswordError {
    OnePasswordError::Unreachable("connection refused".into())
}

fn again_in(refused: Result<(String, bool), SourceError>) -> u64 {
    refused.unwrap_err().retry_after().unwrap().as_secs()
}

#[tokio::test]
async fn sixty_four_who_come_at_once_ask_once_and_so_does_nobody_within_the_ttl() {
    let bench = Bench::new();
    let source = item("label-sync");
    let all = join_all((0..64).map(|_| bench.take(&source))).await;
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
            bench.around.written.load(Ordering::Relaxed)
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
    assert!(bench.sources.due(bench.around.now()).is_empty());
    bench.pass(TTL * 3 / 4);
    assert_eq!(
        bench.sources.due(bench.around.now()).len(),
        2,
        "each was served once"
    );
    bench.world.says(Ok("ghp_two"));
    let since = Some(bench.around.now().boot);
    assert_eq!(
        bench.since(&used, since).await,
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
    assert_eq!(bench.sources.due(bench.around.now()).len(), 1);
    assert_eq!(bench.refresh(&source).await, Ok(()));
    bench.pass(TTL * 3 / 4);
    assert!(bench.sources.due(bench.around.now()).is_empty());
    bench.pass(TTL);
    let standing = bench.sources.standing(&source, bench.around.now()).unwrap();
    assert_eq!(standing.stale_since, None, "its place is not down");
    // Somebody comes again.
    bench.take(&source).await.unwrap();
    assert_eq!(bench.world.reads(), 3);
    bench.pass(TTL * 3 / 4);
    assert_eq!(bench.sources.due(bench.around.now()).len(), 1);
}

#[tokio::test]
async fn what_the_broker_has_for_itself_is_not_read_ahead_of_need() {
    let bench = Bench::new();
    let source = item("label-sync");
    let had = bench.sources.look(recorded(), &source, &bench.around);
    assert!(had.await.is_ok());
    bench.pass(TTL * 3 / 4);
    assert_eq!(bench.sources.due(bench.around.now()), []);
    bench.take(&source).await.unwrap();
    assert_eq!(bench.sources.due(bench.around.now()).len(), 1);
}

#[tokio::test]
async fn a_value_past_every_bound_is_given_up_and_its_hash_is_not() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL + STALE - 1);
    let given_up = || bench.sources.give_up_old(bench.around.now());
    assert_eq!(given_up(), []);
    bench.pass(1);
    assert_eq!(given_up(), std::slice::from_ref(&source));
    assert_eq!(given_up(), [], "once");
    let hashed = bench.sources.hashed(&source);
    assert_eq!(hashed, Some(HashedToken::of(b"ghp_one")), "it was checked");
    bench.world.says(Err(down()));
    assert!(bench.take(&source).await.is_err());
}

#[tokio::test]
async fn while_the_place_is_down_a_value_is_served_marked_within_its_bound_and_not_beyond() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.world.says(Err(down()));
    bench.pass(TTL);
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), true)));
    let standing = bench.sources.standing(&source, bench.around.now()).unwrap();
    assert_eq!(
        standing.stale_since,
        Some("2026-11-22T07:10:00Z".parse().unwrap())
    );
    assert!(bench.fault(&source).is_some(), "people are told");
    bench.pass(STALE - 1);
    assert_eq!(bench.take(&source).await, Ok(("ghp_one".to_owned(), true)));
    bench.pass(1);
    assert!(again_in(bench.take(&source).await) > 0);
    assert_eq!(
        bench.sources.standing(&source, bench.around.now()),
        None,
        "nobody has it any more"
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
    let forgotten = bench.around.forgotten.load(Ordering::Relaxed);
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
    // Whoever mends it says so by reloading the policies.
    bench.world.says(Ok("ghp_one"));
    assert!(bench.take(&source).await.is_ok());
    bench.world.says(Err(OnePasswordError::NoSuch(Part::Item)));
    bench.pass(TTL);
    assert!(bench.take(&source).await.is_err());
    bench.world.says(Ok("ghp_two"));
    bench.sources.look_at([&source]);
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
    let standing = bench.sources.standing(&known, bench.around.now()).unwrap();
    assert!(standing.stale_since.is_some(), "people are told");
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
    let lease = || bench.sources.take(recorded(), &source, None, &bench.around);
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
    // Nobody waited for it any more, and it is there.
    let newer = lease().await.ok().unwrap();
    assert_eq!(newer.value.expose(), "ghp_two");
    assert_eq!(newer.stale_since, None);
    assert_eq!(bench.world.reads(), 2);
    assert_eq!(bench.sources.due(bench.around.now()), []);
}

#[tokio::test]
async fn what_a_lease_waited_for_and_did_not_get_is_noted_once() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.pass(TTL);
    bench.world.says(Err(down()));
    let all = join_all((0..64).map(|_| bench.take(&source))).await;
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
    let since = Some(bench.around.now().boot);
    let fresh = bench
        .sources
        .take(recorded(), &source, since, &bench.around);
    assert_eq!(fresh.await.ok().unwrap().value.expose(), "ghp_two");
    bench.pass(TTL);
    bench.world.says(Ok("ghp_three"));
    let looked = bench.sources.look(recorded(), &source, &bench.around);
    assert_eq!(looked.await.ok().unwrap().value.expose(), "ghp_three");
}

#[tokio::test]
async fn a_lock_forgets_what_was_kept_and_an_answer_that_was_under_way() {
    let bench = Bench::new();
    let source = item("label-sync");
    bench.take(&source).await.unwrap();
    bench.sources.forget();
    assert_eq!(bench.sources.hashed(&source), None);
    assert_eq!(
        bench.take(&source).await,
        Err(SourceError::NotHere),
        "locked"
    );
    bench.sources.open();
    bench.world.0.hangs.store(true, Ordering::Relaxed);
    let asked = bench.take(&source);
    let locked = async {
        while bench.world.reads() < 2 {
            tokio::task::yield_now().await;
        }
        bench.sources.forget();
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
    let now = bench.around.now();
    bench.world.says(Err(down()));
    let an_hour_ago = "2026-11-22T06:00:00Z".parse().unwrap();
    bench
        .sources
        .remember(&source, &kept("ghp_kept"), an_hour_ago, now);
    assert_eq!(bench.take(&source).await, Ok(("ghp_kept".to_owned(), true)));
    let standing = bench.sources.standing(&source, bench.around.now()).unwrap();
    assert_eq!(standing.read_at, an_hour_ago);
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
        .remember(&other, &kept("ghp_other"), tomorrow, bench.around.now());
    assert!(bench.take(&other).await.is_err());
}
