//! What is known of slow places: their values for a while, and for how long a failure lasts.
//!
//! ```text
//! read ──────── refresh ──── ttl ─────────────── ttl + stale
//!   served          │ asked again  │ served as stale, if      │ not served
//!                   │ ahead of need│ the place is down        │
//! ```
//!
//! A place that answered and does not give the value is believed at once: then nothing older is served.
//! What is served as stale is marked. A failure is not asked about again for a while, which doubles
//! while it lasts: a broker in a loop of crashes, or a wrong reference, uses up nobody's day.
//!
//! Time is an argument; ages go by boot time. Not here: how a place is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::Now;
use broker_policy::SourceSpec;
use broker_secret_memory::locked_memory::LockedKey;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::failed::Failed;
use super::fetched::{Fetched, Nature};
use super::kept::{Kept, new_key};
use super::wish::{Answer, Served, Standing, Times, Wish};
use super::{SourceError, Taken};

pub(super) struct Cache {
    times: Times,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Made with the first value.
    key: Option<LockedKey>,
    /// Counts how often all was forgotten: an answer to a question from before is dropped.
    epoch: u64,
    /// Nothing is taken in while the store is locked.
    closed: bool,
    of: BTreeMap<SourceSpec, Entry>,
    /// All of 1Password, once it said that too much was asked.
    limited: Option<Failed>,
}

#[derive(Default)]
struct Entry {
    value: Option<Kept>,
    failed: Option<Failed>,
    /// Whether a lease had it since it was read: what nobody uses is not read ahead of need.
    wanted: bool,
    /// A lease found it past its time, and waits a little for the answer.
    awaited: bool,
    /// Held by whoever asks.
    flight: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    pub(super) fn new(times: Times) -> Self {
        Self {
            times,
            known: Mutex::default(),
        }
    }

    /// What to do for someone who wants a value.
    pub(super) fn serve(&self, source: &SourceSpec, wish: Wish, now: Now) -> Served {
        let mut known = self.known();
        let known = &mut *known;
        if known.closed {
            return Served::Refused(SourceError::NotHere);
        }
        let limited = limit_on(source, known.limited.as_ref());
        let Some(entry) = known.of.get_mut(source) else {
            return match limited.filter(|failed| failed.holds(now)) {
                Some(failed) => Served::Refused(failed.not_yet(now)),
                None => Served::Ask {
                    stale_is_there: false,
                },
            };
        };
        let value = entry.value.as_ref();
        let age = value.map(|kept| kept.age(now));
        let in_time = age.is_some_and(|age| age < self.times.ttl);
        let new_enough =
            value.is_some_and(|kept| wish.since.is_none_or(|since| kept.is_since(since)));
        let failing = [entry.failed.as_ref(), limited];
        let failing = failing
            .into_iter()
            .flatten()
            .find(|failed| failed.holds(now));
        let stale_will_do = wish.since.is_none() && age.is_some_and(|age| age < self.bound());
        let served = match failing {
            _ if in_time && new_enough => true,
            Some(failed) if failed.error.nature() == Nature::Refused || !stale_will_do => {
                return Served::Refused(failed.not_yet(now));
            }
            Some(_) => true,
            None => false,
        };
        let value = value.filter(|_| served);
        match self.opened(known.key.as_ref(), source, value, now) {
            Some(taken) => {
                entry.wanted |= wish.for_a_lease;
                Served::Value(taken)
            }
            None => {
                entry.awaited |= stale_will_do && wish.for_a_lease;
                Served::Ask {
                    stale_is_there: stale_will_do,
                }
            }
        }
    }

    /// A value past its time, while a newer one is asked for.
    pub(super) fn stale(&self, source: &SourceSpec, now: Now) -> Result<Taken, SourceError> {
        let known = self.known();
        let kept = known.of.get(source).and_then(|entry| entry.value.as_ref());
        let kept = kept.filter(|kept| kept.age(now) < self.bound());
        let opened = self.opened(known.key.as_ref(), source, kept, now);
        // Forgotten meanwhile.
        opened.ok_or(SourceError::NotHere)
    }

    /// What whoever asks holds, and the epoch to hand in the answer with.
    pub(super) fn flight(&self, source: &SourceSpec) -> (Arc<tokio::sync::Mutex<()>>, u64) {
        let mut known = self.known();
        let epoch = known.epoch;
        let entry = known.of.entry(source.clone()).or_default();
        (Arc::clone(&entry.flight), epoch)
    }

    /// Whether 1Password was down when one of its values was asked for lately.
    pub(super) fn was_1password_down(&self, now: Now) -> bool {
        let known = self.known();
        let mut of_1password = known.of.iter().filter(|(source, _)| source.is_1password());
        of_1password.any(|(_, entry)| {
            let failed = entry.failed.as_ref();
            failed.is_some_and(|failed| failed.was_down_lately(now))
        })
    }

    /// Takes an answer in.
    pub(super) fn note(&self, source: &SourceSpec, epoch: u64, answer: Answer, now: Now) {
        let mut known = self.known();
        let known = &mut *known;
        if known.closed || known.epoch != epoch {
            return;
        }
        let Answer { came, spent } = answer;
        let came = came.and_then(|fetched| {
            let key = key_of(&mut known.key).ok_or(SourceError::NotHere)?;
            let Fetched { value, version } = &fetched;
            Kept::seal(key, &source.to_string(), value, *version, now)
        });
        let entry = known.of.entry(source.clone()).or_default();
        entry.awaited = false;
        match came {
            Ok(mut kept) => {
                // Not every answer names it.
                let before = entry.value.as_ref();
                let before = before.filter(|before| before.hashed == kept.hashed);
                let version = || before.and_then(|before| before.version);
                kept.version = kept.version.or_else(version);
                entry.value = Some(kept);
                entry.failed = None;
                entry.wanted = false;
                if source.is_1password() {
                    known.limited = None;
                }
            }
            Err(error) => {
                let nature = error.nature();
                if nature == Nature::Refused {
                    entry.value = None;
                }
                let failed = Failed::again(entry.failed.as_ref(), source, error, spent, now);
                if matches!(nature, Nature::Limited(_)) && source.is_1password() {
                    known.limited = Some(failed.clone());
                }
                entry.failed = Some(failed);
            }
        }
    }

    /// Takes in a value that was kept elsewhere, unless a newer one is here. `read_at` is by the wall
    /// clock; a time that is yet to come says nothing of its age, which is then the most it may be.
    pub(super) fn remember(
        &self,
        source: &SourceSpec,
        fetched: &Fetched,
        read_at: Timestamp,
        now: Now,
    ) {
        let mut known = self.known();
        let known = &mut *known;
        if known.closed {
            return;
        }
        let Some(key) = key_of(&mut known.key) else {
            return;
        };
        let entry = known.of.entry(source.clone()).or_default();
        if entry.value.is_some() {
            return;
        }
        let Fetched { value, version } = fetched;
        if let Ok(mut kept) = Kept::seal(key, &source.to_string(), value, *version, now) {
            let aged = Duration::try_from(now.wall.duration_since(read_at));
            kept.aged = aged
                .unwrap_or_else(|_ahead| self.bound())
                .max(Duration::from_nanos(1));
            entry.value = Some(kept);
        }
    }

    /// The places to be asked beside the leases: whose value is awaited, or in use and past three quarters of
    /// its time. What failed is not asked ahead of need, and nothing is before its pause is over.
    pub(super) fn due(&self, now: Now) -> Vec<SourceSpec> {
        let known = self.known();
        let ahead = self.times.ttl * 3 / 4;
        let due = known.of.iter().filter(|(source, entry)| {
            let old = |kept: &Kept| kept.age(now) >= ahead;
            let soon_old = entry.wanted && entry.value.as_ref().is_some_and(old);
            let limited = limit_on(source, known.limited.as_ref());
            let mut failures = entry.failed.iter().chain(limited);
            let failed = entry.failed.as_ref();
            let failed = failed.is_some_and(|failed| failed.counts(now));
            !failures.any(|failed| failed.holds(now)) && (entry.awaited || soon_old && !failed)
        });
        due.map(|(source, _)| source.clone()).collect()
    }

    /// Forgets places that nothing names any more, and every failure: someone may have mended it. A limit of
    /// 1Password's is not mended here.
    pub(super) fn keep_only(&self, named: &[&SourceSpec]) {
        let mut known = self.known();
        known.of.retain(|source, _| named.contains(&source));
        for entry in known.of.values_mut() {
            entry.failed = None;
        }
    }

    /// Forgets the failure of one place: a person wants it asked now.
    pub(super) fn pardon(&self, source: &SourceSpec) {
        if let Some(entry) = self.known().of.get_mut(source) {
            entry.failed = None;
        }
    }

    /// Gives up a value that nobody is given any more, whatever its place does, and names it; not one whose
    /// place is being asked, which may give a newer one at this moment.
    pub(super) fn give_up_old(&self, now: Now) -> Option<SourceSpec> {
        let mut known = self.known();
        known.of.iter_mut().find_map(|(source, entry)| {
            let _alone = entry.flight.try_lock().ok()?;
            let kept = entry.value.as_mut()?;
            let old = kept.age(now) >= self.bound() && kept.give_up();
            old.then(|| source.clone())
        })
    }

    /// Forgets everything, and the key, and takes nothing in until [`Self::open`].
    pub(super) fn forget(&self) {
        let mut known = self.known();
        *known = Known {
            epoch: known.epoch + 1,
            closed: true,
            ..Known::default()
        };
    }

    /// Takes values in again, after [`Self::forget`].
    pub(super) fn open(&self) {
        self.known().closed = false;
    }

    pub(super) fn fault(&self, source: &SourceSpec, now: Now) -> Option<SourceError> {
        let known = self.known();
        let limited = limit_on(source, known.limited.as_ref());
        // One that was never read is refused for it, too.
        let failed = known.of.get(source).and_then(|entry| entry.failed.as_ref());
        let mut failures = failed.into_iter().chain(limited);
        let failed = failures.find(|failed| failed.counts(now))?;
        Some(failed.error.clone())
    }

    pub(super) fn hashed(&self, source: &SourceSpec) -> Option<HashedToken> {
        let known = self.known();
        let kept = known.of.get(source)?.value.as_ref()?;
        Some(kept.hashed.clone())
    }

    pub(super) fn standing(&self, source: &SourceSpec, now: Now) -> Option<Standing> {
        let known = self.known();
        let entry = known.of.get(source)?;
        let kept = entry.value.as_ref()?;
        let age = kept.age(now);
        let limited = limit_on(source, known.limited.as_ref());
        let mut failures = entry.failed.iter().chain(limited);
        let failed = failures.any(|failed| failed.counts(now));
        // Nobody is given it any more.
        if failed && age >= self.bound() {
            return None;
        }
        // Past its time without a failure, it is one that nobody asked for.
        let is_stale = failed && age >= self.times.ttl;
        Some(Standing {
            read_at: kept.read_at(),
            stale_since: is_stale.then(|| self.stale_since(kept)),
            version: kept.version,
        })
    }

    /// A value as it is handed out.
    fn opened(
        &self,
        key: Option<&LockedKey>,
        source: &SourceSpec,
        kept: Option<&Kept>,
        now: Now,
    ) -> Option<Taken> {
        let kept = kept?;
        Some(Taken {
            value: kept.open(key?, &source.to_string())?,
            stale_since: (kept.age(now) >= self.times.ttl).then(|| self.stale_since(kept)),
        })
    }

    /// As old as a value may become.
    fn bound(&self) -> Duration {
        self.times.ttl + self.times.stale
    }

    fn stale_since(&self, kept: &Kept) -> Timestamp {
        let since = kept.read_at().checked_add(self.times.ttl);
        since.unwrap_or(Timestamp::MAX)
    }

    /// A thread that panicked here can have left no more than an older answer.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What values are sealed with, made with the first of them.
fn key_of(known: &mut Option<LockedKey>) -> Option<&LockedKey> {
    if known.is_none() {
        *known = new_key()
            .inspect_err(|error| tracing::error!(cause = %error, "no key to keep values under"))
            .ok();
    }
    known.as_ref()
}

/// 1Password counts the requests of all references together.
fn limit_on<'a>(source: &SourceSpec, limited: Option<&'a Failed>) -> Option<&'a Failed> {
    limited.filter(|_| source.is_1password())
}
