//! When which secret is checked without anyone asking: spread over the day, never in a burst.
//!
//! Each secret has its own time within the interval, worked out from its name: the same after every
//! restart, and evenly spread. What was missed meanwhile (the machine was off, GitHub was away) is caught
//! up one after another at no more than twice the usual pace, so that a long absence ends in no burst
//! either.
//!
//! Pure but for the plan it remembers: time is an argument.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use broker_clock::{Backoff, Moment, Now};
use broker_protocol::names::SecretName;
use jiff::{SignedDuration, Timestamp};

use super::identity::BETWEEN_REQUESTS;

/// How the checks of one secret stand, by the wall clock as it stands now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LastCheck {
    /// When GitHub last answered a check of the value in use, and whether it accepted it.
    pub(crate) answered: Option<(Timestamp, bool)>,
    /// When a later attempt failed.
    pub(crate) failed_at: Option<Timestamp>,
}

impl LastCheck {
    /// From what was kept. What was done at a time that is yet to come was done at an unknown time, by a
    /// clock that was wrong: it keeps no check away.
    pub(crate) fn of(
        answered: Option<(&Moment, bool)>,
        failed: Option<&Moment>,
        now: &Moment,
    ) -> Self {
        Self {
            answered: answered.and_then(|(at, accepted)| Some((at.done_before(now)?, accepted))),
            failed_at: failed.and_then(|at| at.done_before(now)),
        }
    }
}

/// When a secret is due, by the wall clock; in the past if it is now.
pub(crate) fn due_at(
    name: &SecretName,
    every: Duration,
    last: LastCheck,
    now: Timestamp,
) -> Timestamp {
    let every = i64::try_from(every.as_secs()).unwrap_or(DAY).max(1);
    let due = match last.answered {
        None => slot_after(name, every, now.as_second() - every),
        // Checked by hand just before its time, it need not be checked again.
        Some((at, true)) => slot_after(name, every, at.as_second() + every / 2),
        Some((at, false)) => slot_after(name, every, at.as_second() + DAY.max(every / 2) - 1),
    };
    let due = Timestamp::from_second(due).unwrap_or(now);
    let again = last
        .failed_at
        .map(|at| at.saturating_add(AFTER_FAILURE).unwrap_or(now));
    again.map_or(due, |again| due.max(again))
}

/// The secret's next time after this second.
fn slot_after(name: &SecretName, every: i64, second: i64) -> i64 {
    let phase = i64::try_from(spread(name.as_str()) % every.unsigned_abs()).unwrap_or(0);
    let since = (second - phase).rem_euclid(every);
    second + every - since
}

/// FNV-1a, then mixed again: short names that differ in a digit must not end up side by side.
///
/// Pinned by a test, because it outlives restarts and versions. Sources: the IETF draft “The FNV
/// Non-Cryptographic Hash Algorithm”; the finalizer of `MurmurHash3`.
fn spread(name: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// What is due soon, and how fast it may be worked off.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    plan: VecDeque<(Timestamp, SecretName)>,
    /// Boot time until which the plan is good; `None` before the first.
    planned_until: Option<Duration>,
    /// Least time from the end of one check to the begin of the next.
    gap: Duration,
    /// Boot time before which no check begins.
    not_before: Duration,
    /// How often in a row GitHub failed.
    failures: u32,
}

impl Schedule {
    /// Whether it wants to be told again what is due.
    pub(crate) fn wants_plan(&self, now: Now) -> bool {
        self.planned_until.is_none_or(|until| until <= now.boot)
    }

    /// Takes what is due until [`Self::horizon`], of this many secrets in all.
    pub(crate) fn plan(
        &mut self,
        mut due: Vec<(Timestamp, SecretName)>,
        secrets: usize,
        every: Duration,
        now: Now,
    ) {
        due.sort();
        due.truncate(LONGEST_PLAN);
        self.plan = due.into();
        self.planned_until = Some(now.boot.saturating_add(PLANNED));
        let secrets = u32::try_from(secrets).unwrap_or(u32::MAX).max(1);
        self.gap = (every / secrets / 2).clamp(BETWEEN_REQUESTS, LONGEST_GAP);
    }

    /// Until when a plan made now looks ahead.
    pub(crate) fn horizon(now: Now) -> Timestamp {
        let ahead = SignedDuration::try_from(PLANNED).unwrap_or(SignedDuration::ZERO);
        now.wall.saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// The secret to check now, if it is time for one.
    pub(crate) fn next(&mut self, now: Now) -> Option<SecretName> {
        if now.boot < self.not_before || self.plan.front()?.0 > now.wall {
            return None;
        }
        self.plan.pop_front().map(|(_, name)| name)
    }

    /// A check has ended, whatever it found.
    pub(crate) fn done(&mut self, now: Now) {
        self.failures = 0;
        self.rest(self.gap, now);
    }

    /// GitHub is away: nothing begins for a while, each time longer, and no shorter than it says.
    pub(crate) fn back_off(&mut self, retry_after: Option<Duration>, now: Now) {
        let wait = AWAY.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.rest(wait.max(retry_after.unwrap_or_default()), now);
    }

    /// No check begins for this long.
    pub(crate) fn rest(&mut self, wait: Duration, now: Now) {
        self.not_before = self.not_before.max(now.boot.saturating_add(wait));
    }
}

const DAY: i64 = 24 * 60 * 60;
/// A check that failed is not tried again before.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(15);
/// How far a plan looks ahead: what changes meanwhile is seen this much later.
const PLANNED: Duration = Duration::from_secs(10 * 60);
/// More are not begun within [`PLANNED`].
const LONGEST_PLAN: usize = 600;
/// While GitHub fails.
const AWAY: Backoff = Backoff {
    first: Duration::from_secs(60),
    cap: Duration::from_secs(15 * 60),
};
/// With few secrets there is no need to be any slower.
const LONGEST_GAP: Duration = Duration::from_secs(60);
