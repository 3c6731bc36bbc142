//! Slow places that do as they are told, and a broker around them whose clock stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use broker_clock::{Clock as _, ManualClock};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::one_password::{OnePasswordError, Part};

/// Paths that give what a test says, and count.
#[derive(Clone, Default)]
pub(in crate::tests) struct World(pub(super) Arc<Inside>);

#[derive(Default)]
pub(super) struct Inside {
    pub(super) says: Mutex<Option<Result<String, OnePasswordError>>>,
    pub(super) reads: AtomicU32,
    pub(super) hangs: AtomicBool,
    /// Not even its limits are told.
    pub(super) silent: AtomicBool,
    /// Of 1Password's requests, each reading.
    pub(super) costs: AtomicU32,
    pub(super) goes_on: tokio::sync::Notify,
}

impl World {
    pub(super) fn says(&self, answer: Result<&str, OnePasswordError>) {
        *self.0.says.lock().unwrap() = Some(answer.map(str::to_owned));
    }

    pub(super) fn reads(&self) -> u32 {
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
pub(in crate::tests) struct Still {
    pub(super) clock: ManualClock,
    pub(super) written: AtomicU32,
    pub(super) forgotten: AtomicU32,
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
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) sources: Sources,
    pub(super) around: Still,
}

pub(super) const TTL: u64 = 600;
pub(super) const STALE: u64 = 3600;

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Plan::Business, 1)
    }

    pub(super) fn with(plan: Plan, costs: u32) -> Self {
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

    pub(super) fn pass(&self, seconds: u64) {
        self.around.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn fault(&self, source: &SourceSpec) -> Option<SourceError> {
        self.sources.fault(source, self.around.now())
    }

    /// The value, and whether it was stale.
    pub(super) async fn take(&self, source: &SourceSpec) -> Result<(String, bool), SourceError> {
        self.since(source, None).await
    }

    pub(super) async fn since(
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
    pub(super) async fn read_what_is_due(&self) {
        let now = self.around.now();
        for source in self.sources.due(now) {
            // What it came to is noted.
            let _noted = self.refresh(&source).await;
        }
    }

    pub(super) async fn refresh(&self, source: &SourceSpec) -> Result<(), SourceError> {
        let since = self.around.now().boot;
        let read = self
            .sources
            .refresh(recorded(), source, since, &self.around);
        read.await
    }
}

pub(super) fn item(name: &str) -> SourceSpec {
    format!("op://Github-Tokens/{name}/credential")
        .parse()
        .unwrap()
}

pub(super) fn down() -> OnePasswordError {
    OnePasswordError::Unreachable("connection refused".into())
}

pub(super) fn again_in(refused: Result<(String, bool), SourceError>) -> u64 {
    refused.unwrap_err().retry_after().unwrap().as_secs()
}
