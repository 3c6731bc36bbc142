//! Paths that take their time, and may be asked only so often: 1Password and the keyring.
//!
//! Each is asked through the cache, and by one at a time: who comes meanwhile waits for that answer. A
//! lease that finds a value past its time leaves asking to upkeep, and waits for it a little.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_clock::Now;
use broker_policy::SourceSpec;
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::around::{Around, Ask};
use super::cache::Cache;
use super::fetched::{Fetched, Nature};
use super::one_password::ServiceLimit;
use super::outage::Outage;
use super::requests::{Plan, Requests};
use super::wish::{Answer, Served, Standing, Times, Wish};
use super::{Reads, SourceError, Taken};

/// The slow places.
pub(super) struct Slow {
    cache: Cache,
    ask: Box<dyn Ask>,
    plan: Plan,
    requests: Mutex<Requests>,
    outage: Mutex<Outage>,
    /// A lease waits for a place to be asked.
    awaited: Notify,
    /// A place was asked.
    noted: Notify,
    pub(super) reads: Reads,
}

/// How long a lease waits for a newer value while there is a stale one for it.
const PATIENCE: Duration = Duration::from_secs(2);

impl Slow {
    pub(super) fn new(times: Times, plan: Plan, ask: Box<dyn Ask>) -> Self {
        Self {
            cache: Cache::new(times),
            ask,
            plan,
            requests: Mutex::default(),
            outage: Mutex::default(),
            awaited: Notify::new(),
            noted: Notify::new(),
            reads: Reads::default(),
        }
    }

    /// Goes on from what was written down.
    pub(super) fn went_before(&self, requests: Requests) {
        *self.requests() = requests;
    }

    /// The value, for one recorded use.
    pub(super) async fn take(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        wish: Wish,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        match self.cache.serve(source, wish, around.now()) {
            Served::Value(taken) => return Ok(taken),
            Served::Refused(error) => return Err(error),
            Served::Ask { stale_is_there } if stale_is_there && wish.for_a_lease => {
                return self.soon(source, wish, around).await;
            }
            Served::Ask { .. } => {}
        }
        let (flight, epoch) = self.cache.flight(source);
        let _alone = flight.lock().await;
        // Somebody else may have had the answer meanwhile.
        match self.cache.serve(source, wish, around.now()) {
            Served::Value(taken) => return Ok(taken),
            Served::Refused(error) => return Err(error),
            Served::Ask { .. } => {}
        }
        let answer = self.read(&usage, source, around).await;
        match &answer.came {
            Ok(fetched) => around.keep(source, fetched).await,
            Err(error) if error.nature() == Nature::Refused => around.forget(source).await,
            Err(_) => {}
        }
        self.cache.note(source, epoch, answer, around.now());
        self.noted.notify_waiters();
        match self.cache.serve(source, wish, around.now()) {
            Served::Value(taken) => Ok(taken),
            Served::Refused(error) => Err(error),
            // Everything was forgotten while it was asked.
            Served::Ask { .. } => Err(SourceError::NotHere),
        }
    }

    /// A newer value, if upkeep has it soon; else the one past its time. However long the place takes, a
    /// lease does not, and the question goes on when the lease is gone.
    async fn soon(
        &self,
        source: &SourceSpec,
        wish: Wish,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        self.awaited.notify_one();
        let newer = async {
            loop {
                // Made before the look, so that it misses nothing that is noted after.
                let noted = self.noted.notified();
                match self.cache.serve(source, wish, around.now()) {
                    Served::Ask { .. } => noted.await,
                    Served::Value(taken) => return Ok(taken),
                    Served::Refused(error) => return Err(error),
                }
            }
        };
        let newer = tokio::time::timeout(PATIENCE, newer).await;
        newer.unwrap_or_else(|_late| self.cache.stale(source, around.now()))
    }

    /// Waits until a lease waits for a place to be asked.
    pub(super) async fn awaited(&self) {
        self.awaited.notified().await;
    }

    /// Reads the place itself and keeps what it gives, for one recorded use.
    pub(super) async fn read_anew(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        self.cache.pardon(source);
        let since = around.now().boot;
        self.refresh(usage, source, since, around).await
    }

    /// The same, unless it failed just now, or somebody had the answer since then (boot time).
    pub(super) async fn refresh(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        since: Duration,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        let wish = Wish {
            since: Some(since),
            for_a_lease: false,
        };
        self.take(usage, source, wish, around).await
    }

    async fn read(
        &self,
        _usage: &Recorded<Use>,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Answer {
        match token_for(source, around).await {
            Ok(token) => self.read_with(token.as_ref(), source, around).await,
            Err(error) => free(error),
        }
    }

    async fn read_with(
        &self,
        token: Option<&AccessToken>,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Answer {
        // Only a service account's requests are counted.
        let cost = token.map_or(0, |_| self.ask.cost(source));
        if cost == 0 {
            let came = self.counted(source, self.ask.read(source, token).await);
            let spent = false;
            return Answer { came, spent };
        }
        let mut is_down = false;
        if self.cache.was_1password_down(around.now())
            && let Err(error) = self.ask.limits(token).await
            && error.nature() == Nature::Down
        {
            if !self.outage().may_try(around.now()) {
                let came = self.counted(source, Err(error));
                let spent = false;
                return Answer { came, spent };
            }
            is_down = true;
        }
        let now = around.now();
        let spent = self.requests().spend(cost, self.plan, now);
        let written = match spent {
            Ok(spent) => around.write_down(spent).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            return free(error);
        }
        let came = self.counted(source, self.ask.read(source, token).await);
        if is_down {
            self.outage().tried(came.is_ok());
        }
        let spent = !is_down;
        Answer { came, spent }
    }

    pub(super) fn can_write(&self, source: &SourceSpec) -> bool {
        self.ask.can_write(source)
    }

    /// Not while the place is asked for its value.
    pub(super) async fn write(
        &self,
        source: &SourceSpec,
        value: &AccessToken,
        around: &dyn Around,
    ) -> Result<(), SourceError> {
        let (flight, _epoch) = self.cache.flight(source);
        let _alone = flight.lock().await;
        let token = token_for(source, around).await?;
        self.ask.write(source, value, token.as_ref()).await
    }

    /// The same for its end.
    pub(super) async fn remove(
        &self,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Result<(), SourceError> {
        let (flight, _epoch) = self.cache.flight(source);
        let _alone = flight.lock().await;
        let token = token_for(source, around).await?;
        self.ask.remove(source, token.as_ref()).await
    }

    /// Takes in a value that was kept beyond the last run of the broker.
    pub(super) fn remember(
        &self,
        source: &SourceSpec,
        fetched: &Fetched,
        read_at: Timestamp,
        now: Now,
    ) {
        self.cache.remember(source, fetched, read_at, now);
    }

    /// What 1Password says of its limits.
    pub(super) async fn limits(
        &self,
        around: &dyn Around,
    ) -> Result<Vec<ServiceLimit>, SourceError> {
        let token = around.token().await?;
        self.ask.limits(token.as_ref()).await
    }

    pub(super) fn give_up_old(&self, now: Now) -> Option<SourceSpec> {
        self.cache.give_up_old(now)
    }

    /// The places to be read by upkeep.
    pub(super) fn due(&self, now: Now) -> Vec<SourceSpec> {
        self.cache.due(now)
    }

    pub(super) fn keep_only(&self, named: &[&SourceSpec]) {
        self.cache.keep_only(named);
    }

    pub(super) fn forget(&self) {
        self.cache.forget();
    }

    pub(super) fn open(&self) {
        self.cache.open();
    }

    pub(super) fn fault(&self, source: &SourceSpec, now: Now) -> Option<SourceError> {
        self.cache.fault(source, now)
    }

    pub(super) fn hashed(&self, source: &SourceSpec) -> Option<HashedToken> {
        self.cache.hashed(source)
    }

    pub(super) fn standing(&self, source: &SourceSpec, now: Now) -> Option<Standing> {
        self.cache.standing(source, now)
    }

    /// How many requests were made of 1Password in the last 24 hours, and how many there may be.
    pub(super) fn in_a_day(&self, now: Now) -> (u32, u32) {
        (self.requests().in_a_day(now), self.plan.daily_share())
    }

    fn counted(
        &self,
        source: &SourceSpec,
        came: Result<Fetched, SourceError>,
    ) -> Result<Fetched, SourceError> {
        let outcome = if came.is_ok() { "ok" } else { "failed" };
        let labels = [("source", source.scheme()), ("outcome", outcome)];
        self.reads.get_or_create(&labels).inc();
        came
    }

    /// A thread that panicked here can have left no more than a question that was not asked.
    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Here, no more than one counted that was not asked.
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It failed before anything was spent.
const fn free(error: SourceError) -> Answer {
    Answer {
        came: Err(error),
        spent: false,
    }
}

/// What the place is to be shown, opened on record.
async fn token_for(
    source: &SourceSpec,
    around: &dyn Around,
) -> Result<Option<AccessToken>, SourceError> {
    if source.is_1password() {
        around.token().await
    } else {
        Ok(None)
    }
}
