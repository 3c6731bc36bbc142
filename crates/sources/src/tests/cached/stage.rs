//! 1Password and a keyring that do as they are told, and a context whose clock stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use broker_clock::{Clock as _, ManualClock};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::one_password::{Backend, HourlyRequests, OnePasswordError, Part, Plan};
use broker_protocol::api::ServiceLimitView;
use broker_protocol::source::FieldReference;

/// 1Password and a keyring that give what a test says, and count.
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
    pub(super) goes_on: Notify,
}

impl World {
    pub(super) fn says(&self, answer: Result<&str, OnePasswordError>) {
        *self.0.says.lock().unwrap() = Some(answer.map(str::to_owned));
    }

    pub(super) fn reads(&self) -> u32 {
        self.0.reads.load(Ordering::Relaxed)
    }

    async fn answer(&self) -> Result<Fetched, OnePasswordError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if self.0.hangs.load(Ordering::Relaxed) {
            self.0.goes_on.notified().await;
        }
        let answer = self.0.says.lock().unwrap().clone().unwrap();
        answer.map(|value| Fetched {
            value: AccessToken::new(value),
            version: Some(7),
        })
    }
}

impl Backend for World {
    fn read<'a>(
        &'a self,
        _: &'a FieldReference,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, OnePasswordError>> {
        self.answer().boxed()
    }

    fn limits<'a>(
        &'a self,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimitView>, OnePasswordError>> {
        async {
            match self.0.silent.load(Ordering::Relaxed) {
                true => Err(down()),
                false => Ok(Vec::new()),
            }
        }
        .boxed()
    }

    fn cost(&self, _: &FieldReference) -> u32 {
        self.0.costs.load(Ordering::Relaxed)
    }

    fn can_write(&self) -> bool {
        true
    }

    fn change<'a>(
        &'a self,
        _: &'a FieldReference,
        value: Option<&'a AccessToken>,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), OnePasswordError>> {
        match value {
            Some(value) => self.says(Ok(value.expose())),
            None => self.says(Err(OnePasswordError::NoSuch(Part::Field))),
        }
        async { Ok(()) }.boxed()
    }
}

/// As a keyring.
impl Source for World {
    fn scheme(&self) -> &'static str {
        "keyring"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        let failed = |cause| SourceError::OnePassword {
            place: place.to_string().into(),
            cause,
        };
        let answer = self.answer();
        answer.map(move |read| Ok(read.map_err(failed)?)).boxed()
    }
}

/// A broker whose clock stands still, and which stores everything.
pub(crate) struct ManualContext {
    pub(super) clock: ManualClock,
    pub(super) requests: AtomicU32,
    pub(super) forgotten: AtomicU32,
}

impl Default for ManualContext {
    fn default() -> Self {
        Self {
            clock: ManualClock::at("2026-11-22T07:00:00Z".parse().unwrap()),
            requests: AtomicU32::new(0),
            forgotten: AtomicU32::new(0),
        }
    }
}

impl SourceContext for ManualContext {
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

    fn store_requests(&self, counted: HourlyRequests) -> BoxFuture<'_, Result<(), SourceError>> {
        self.requests.store(counted.requests, Ordering::Relaxed);
        async { Ok(()) }.boxed()
    }
}

/// A value and whether it was stale.
pub(super) type Served = Result<(String, bool), SourceError>;

/// Sources, their places and their context.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) sources: Sources,
    pub(super) context: ManualContext,
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
        let one_password = OnePassword::new(Box::new(world.clone()), plan);
        let mut sources = Sources::new(|_| None, CacheTimes::default(), one_password);
        for source in &mut sources.all {
            if source.scheme() == "keyring" {
                *source = Arc::new(world.clone());
            }
        }
        Self {
            sources,
            context: ManualContext::default(),
            world,
        }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.context.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn fault(&self, source: &SourceSpec) -> Option<SourceError> {
        self.sources.fault(source, self.context.now())
    }

    /// The value, and whether it was stale.
    pub(super) async fn take(&self, source: &SourceSpec) -> Served {
        self.read(source, ReadOptions::LEASE).await
    }

    pub(super) async fn read(&self, source: &SourceSpec, options: ReadOptions) -> Served {
        let mut one = self.read_at_once(1, source, options).await;
        one.pop().unwrap()
    }

    /// So many leases at once, beside upkeep.
    pub(super) async fn read_at_once(
        &self,
        count: usize,
        source: &SourceSpec,
        options: ReadOptions,
    ) -> Vec<Served> {
        let read = async || {
            let read = self
                .sources
                .read(recorded(), source, options, &self.context);
            let taken = read.await?;
            Ok((taken.value.expose().to_owned(), taken.stale_since.is_some()))
        };
        let upkeep = async {
            loop {
                self.sources.awaited().await;
                self.read_what_is_due().await;
            }
        };
        tokio::select! {
            biased;
            all = join_all((0..count).map(|_| read())) => all,
            () = upkeep => unreachable!(),
        }
    }

    /// Upkeep, once.
    pub(super) async fn read_what_is_due(&self) {
        let now = self.context.now();
        for source in self.sources.cache.due(now) {
            // The outcome is noted.
            drop(self.refresh(&source).await);
        }
    }

    pub(super) async fn refresh(&self, source: &SourceSpec) -> Result<(), SourceError> {
        let since = Some(self.context.now().boot);
        let options = ReadOptions {
            since,
            ..ReadOptions::UPKEEP
        };
        let read = self
            .sources
            .read(recorded(), source, options, &self.context);
        read.await.map(drop)
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

pub(super) fn again_in(refused: Served) -> u64 {
    refused.unwrap_err().retry_after().unwrap().as_secs()
}
