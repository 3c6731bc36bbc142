//! The values of places that are read seldom, for a while, and how long a failure lasts.
//!
//! ```text
//! read ──────── refresh ──── ttl ─────────────── ttl + stale
//!   served          │ read again   │ served as stale, if      │ not served
//!                   │ ahead of use │ the place is unavailable │
//! ```
//!
//! A place that answered and does not give the value is believed at once: then nothing older is served.
//! What is served as stale is marked. After a failure a place is left alone for a while, which doubles: a
//! broker in a loop of crashes, or a wrong reference, uses up no day's requests.
//!
//! Time is an argument; ages go by boot time. Not here: reading a place.

mod failure;
mod state;
mod value;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::Now;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::locked_memory::LockedKey;
use jiff::Timestamp;

use self::failure::Failure;
use self::value::{CachedValue, new_key};
use crate::source::Effort;
use crate::{FailureKind, Fetched, ReadError, Source, SourceError, Taken};

pub use self::state::CacheState;

/// See the module.
pub struct Cache {
    times: CacheTimes,
    state: Mutex<State>,
}

/// How long values are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTimes {
    /// A value is served for so long without reading it again.
    pub ttl: Duration,
    /// And for so long beyond that while its place is unavailable.
    pub stale: Duration,
}

impl Default for CacheTimes {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10 * 60),
            stale: Duration::from_secs(60 * 60),
        }
    }
}

/// Which value is good enough, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Read no earlier than this (boot time).
    pub since: Option<Duration>,
    /// A lease is a reason to read the value again before it is past its time.
    pub for_lease: bool,
}

impl ReadOptions {
    /// Whatever value is served, for a lease.
    pub const LEASE: Self = Self {
        since: None,
        for_lease: true,
    };
    /// The same for the broker itself.
    pub const UPKEEP: Self = Self {
        since: None,
        for_lease: false,
    };
}

/// What the cache has for a reading.
pub(super) enum Lookup {
    /// A value; or the place failed lately, and is left alone still.
    Answer(Result<Taken, SourceError>),
    /// The place must be read. Meanwhile there may be a stale value.
    Read { stale_is_there: bool },
}

#[derive(Default)]
struct State {
    /// Made with the first value.
    key: Option<LockedKey>,
    /// Counts how often everything was forgotten: the answer to a question from before is dropped.
    epoch: u64,
    /// Nothing is cached while the store is locked.
    closed: bool,
    entries: BTreeMap<SourceSpec, Entry>,
    /// Schemes that were asked too often: a limit holds for all places of one.
    limited: BTreeMap<&'static str, Failure>,
}

#[derive(Default)]
struct Entry {
    value: Option<CachedValue>,
    failure: Option<Failure>,
    /// A lease used the value since it was read: what is not used is not read ahead of use.
    used: bool,
    /// A lease found the value past its time, and waits a little for a newer one.
    awaited: bool,
    /// Held while the place is read.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    pub(super) fn new(times: CacheTimes) -> Self {
        Self {
            times,
            state: Mutex::default(),
        }
    }

    pub(super) fn look_up(&self, source: &SourceSpec, options: ReadOptions, now: Now) -> Lookup {
        let mut state = self.state();
        let state = &mut *state;
        if state.closed {
            return Lookup::Answer(Err(SourceError::NotHere));
        }
        let limited = state.limited.get(source.scheme());
        let Some(entry) = state.entries.get_mut(source) else {
            return match limited.filter(|failure| failure.holds(now)) {
                Some(failure) => Lookup::Answer(Err(failure.not_yet(now))),
                None => Lookup::Read {
                    stale_is_there: false,
                },
            };
        };
        let value = entry.value.as_ref();
        let age = value.map(|value| value.age(now));
        let in_time = age.is_some_and(|age| age < self.times.ttl);
        let since = |value: &CachedValue| options.since.is_none_or(|since| value.is_since(since));
        let new_enough = value.is_some_and(since);
        let mut failures = entry.failure.iter().chain(limited);
        let failing = failures.find(|failure| failure.holds(now));
        let stale_will_do = options.since.is_none() && age.is_some_and(|age| age < self.bound());
        let served = match failing {
            _ if in_time && new_enough => true,
            Some(failure) if failure.error.kind() == FailureKind::Refused || !stale_will_do => {
                return Lookup::Answer(Err(failure.not_yet(now)));
            }
            Some(_) => true,
            None => false,
        };
        let value = value.filter(|_| served);
        match self.opened(state.key.as_ref(), source, value, now) {
            Some(taken) => {
                entry.used |= options.for_lease;
                Lookup::Answer(Ok(taken))
            }
            None => {
                entry.awaited |= stale_will_do && options.for_lease;
                Lookup::Read {
                    stale_is_there: stale_will_do,
                }
            }
        }
    }

    /// Returns a value past its time, while a newer one is read.
    pub(super) fn stale(&self, source: &SourceSpec, now: Now) -> Result<Taken, SourceError> {
        let state = self.state();
        let entry = state.entries.get(source);
        let value = entry.and_then(|entry| entry.value.as_ref());
        let value = value.filter(|value| value.age(now) < self.bound());
        let opened = self.opened(state.key.as_ref(), source, value, now);
        // Forgotten meanwhile.
        opened.ok_or(SourceError::NotHere)
    }

    /// Returns what is held while the place is read, and the epoch to hand in the outcome with.
    pub(super) fn reading(&self, source: &SourceSpec) -> (Arc<tokio::sync::Mutex<()>>, u64) {
        let mut state = self.state();
        let epoch = state.epoch;
        let entry = state.entries.entry(source.clone()).or_default();
        (Arc::clone(&entry.reading), epoch)
    }

    /// Takes in the outcome of reading a place.
    pub(super) fn note(
        &self,
        (spec, source): (&SourceSpec, &dyn Source),
        epoch: u64,
        outcome: Result<Fetched, ReadError>,
        now: Now,
    ) {
        let mut state = self.state();
        let state = &mut *state;
        if state.closed || state.epoch != epoch {
            return;
        }
        let sealed = outcome.and_then(|fetched| {
            let key = key_of(&mut state.key).ok_or(SourceError::NotHere)?;
            Ok(CachedValue::seal(key, &spec.to_string(), &fetched, now)?)
        });
        let entry = state.entries.entry(spec.clone()).or_default();
        entry.awaited = false;
        match sealed {
            Ok(mut value) => {
                // Not every answer names the version.
                let before = entry.value.as_ref();
                let before = before.filter(|before| before.hashed == value.hashed);
                value.version = value.version.or_else(|| before?.version);
                entry.value = Some(value);
                entry.failure = None;
                entry.used = false;
                state.limited.remove(source.scheme());
            }
            Err(ReadError { error, effort }) => {
                let kind = error.kind();
                if kind == FailureKind::Refused {
                    entry.value = None;
                }
                let spent = effort == Effort::Spent;
                let pauses = source.backoff(kind, spent);
                let failure = Failure::after(entry.failure.as_ref(), error, spent, pauses, now);
                if matches!(kind, FailureKind::Limited(_)) {
                    state.limited.insert(source.scheme(), failure.clone());
                }
                entry.failure = Some(failure);
            }
        }
    }

    /// Takes in a value that the vault kept, unless a newer one is here. `read_at` is by the wall clock; a
    /// time to come says nothing of the value's age, which is then the most it may be.
    pub fn restore(&self, source: &SourceSpec, fetched: &Fetched, read_at: Timestamp, now: Now) {
        let mut state = self.state();
        let state = &mut *state;
        if state.closed {
            return;
        }
        let Some(key) = key_of(&mut state.key) else {
            return;
        };
        let entry = state.entries.entry(source.clone()).or_default();
        if entry.value.is_some() {
            return;
        }
        if let Ok(mut value) = CachedValue::seal(key, &source.to_string(), fetched, now) {
            let aged = Duration::try_from(now.wall.duration_since(read_at));
            value.aged = aged
                .unwrap_or_else(|_ahead| self.bound())
                .max(Duration::from_nanos(1));
            entry.value = Some(value);
        }
    }

    /// Lists the places to be read beside the leases: whose value is awaited, or in use and past three
    /// quarters of its time. What failed is not read ahead of use, and nothing is before its pause is over.
    #[must_use]
    pub fn due(&self, now: Now) -> Vec<SourceSpec> {
        let state = self.state();
        let ahead = self.times.ttl * 3 / 4;
        let due = state.entries.iter().filter(|(source, entry)| {
            let old = |value: &CachedValue| value.age(now) >= ahead;
            let soon_old = entry.used && entry.value.as_ref().is_some_and(old);
            let limited = state.limited.get(source.scheme());
            let mut failures = entry.failure.iter().chain(limited);
            let failed = entry.failure.as_ref();
            let failed = failed.is_some_and(|failure| failure.counts(now));
            !failures.any(|failure| failure.holds(now)) && (entry.awaited || soon_old && !failed)
        });
        due.map(|(source, _)| source.clone()).collect()
    }

    /// Forgets places that no policy names, and every failure: someone may have fixed it. A limit is not
    /// fixed so.
    pub(super) fn keep_only(&self, named: &[&SourceSpec]) {
        let mut state = self.state();
        state.entries.retain(|source, _| named.contains(&source));
        for entry in state.entries.values_mut() {
            entry.failure = None;
        }
    }

    /// Forgets the failure of one place: an operator wants it read now.
    pub(super) fn clear_failure(&self, source: &SourceSpec) {
        if let Some(entry) = self.state().entries.get_mut(source) {
            entry.failure = None;
        }
    }

    /// Wipes a value that is too old to be served, whatever its place does, and names the place; not one
    /// whose place is being read, which may give a newer one at this moment.
    #[must_use]
    pub fn wipe_expired(&self, now: Now) -> Option<SourceSpec> {
        let mut state = self.state();
        state.entries.iter_mut().find_map(|(source, entry)| {
            let _alone = entry.reading.try_lock().ok()?;
            let value = entry.value.as_mut()?;
            let wiped = value.age(now) >= self.bound() && value.wipe();
            wiped.then(|| source.clone())
        })
    }

    /// Forgets everything, and the key, and caches nothing until [`Self::open`].
    pub fn close(&self) {
        let mut state = self.state();
        *state = State {
            epoch: state.epoch + 1,
            closed: true,
            ..State::default()
        };
    }

    /// Caches values again, after [`Self::close`].
    pub fn open(&self) {
        self.state().closed = false;
    }

    /// Opens a value to be served.
    fn opened(
        &self,
        key: Option<&LockedKey>,
        source: &SourceSpec,
        value: Option<&CachedValue>,
        now: Now,
    ) -> Option<Taken> {
        let value = value?;
        Some(Taken {
            value: value.open(key?, &source.to_string())?,
            stale_since: (value.age(now) >= self.times.ttl).then(|| self.stale_since(value)),
        })
    }

    /// As old as a value may become.
    fn bound(&self) -> Duration {
        self.times.ttl + self.times.stale
    }

    fn stale_since(&self, value: &CachedValue) -> Timestamp {
        let since = value.read_at().checked_add(self.times.ttl);
        since.unwrap_or(Timestamp::MAX)
    }

    /// A thread that panicked here can have left no more than an older answer.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What values are sealed with, made with the first of them.
fn key_of(key: &mut Option<LockedKey>) -> Option<&LockedKey> {
    if key.is_none() {
        *key = new_key()
            .inspect_err(|error| tracing::error!(cause = %error, "no key to cache values under"))
            .ok();
    }
    key.as_ref()
}
