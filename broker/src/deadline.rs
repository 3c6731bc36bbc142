//! By when a secret must have changed, how it stands against that, and when that is worth a word.
//!
//! Pure: no clock is read here. All of it is by the wall clock, which is what calendars and GitHub go
//! by.

use std::time::Duration;

use broker_protocol::api::SecretState;
use jiff::{SignedDuration, Timestamp};

/// By when a secret must have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Deadline {
    set_at: Option<Timestamp>,
    rotate_by: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl Deadline {
    /// From when the value was first seen or stored, how often policy wants it changed, and when it ends
    /// at GitHub. What is not known bounds nothing.
    pub(crate) fn of(
        set_at: Option<Timestamp>,
        rotate_every: Option<Duration>,
        ends_at: Option<Timestamp>,
    ) -> Self {
        let rotate_by = set_at.zip(rotate_every);
        Self {
            set_at,
            rotate_by: rotate_by.and_then(|(set_at, every)| set_at.checked_add(every).ok()),
            ends_at,
        }
    }

    /// The earlier of the two.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.rotate_by.into_iter().chain(self.ends_at).min()
    }

    /// How a secret that has a value stands.
    pub(crate) fn state(&self, now: Timestamp) -> SecretState {
        if self.ends_at.is_some_and(|end| end <= now) {
            return SecretState::Expired;
        }
        match self.at() {
            Some(deadline) if deadline <= now => SecretState::Overdue,
            Some(deadline) if before(deadline, DUE_DAYS) <= now => SecretState::Due,
            _ => SecretState::Ok,
        }
    }

    /// The last moment up to `now` at which a warning fell due: 30, 14, 7 and 1 days before the
    /// deadline, at it, and every day after.
    ///
    /// A mark before the value was stored counts only where GitHub ends it: a secret that is to
    /// change every 30 days is not near its deadline on the first.
    pub(crate) fn warning_due(&self, now: Timestamp) -> Option<Timestamp> {
        let deadline = self.at()?;
        if let Ok(days) = u32::try_from(whole_days(deadline, now)) {
            return deadline.checked_add(DAY * i32::try_from(days).ok()?).ok();
        }
        let ends = self.is_an_end();
        let counts = |mark: &Timestamp| ends || self.set_at.is_none_or(|set_at| set_at < *mark);
        let marks = WARN_DAYS.map(|days| before(deadline, days)).into_iter();
        marks.filter(|mark| *mark <= now).filter(counts).max()
    }

    /// The deadline in words: what must happen by when to the secret of this name, and how long that
    /// still is, or has been.
    pub(crate) fn describe(&self, name: &str, now: Timestamp) -> Option<String> {
        let at = self.at()?;
        let what = match (self.is_an_end(), at <= now) {
            (true, false) => "ends at GitHub on",
            (true, true) => "ended at GitHub on",
            (false, false) => "must be rotated by",
            (false, true) => "should have been rotated by",
        };
        Some(format!("`{name}` {what} {}", self.describe_day(now)?))
    }

    /// The day, and how long that still is, or has been.
    pub(crate) fn describe_day(&self, now: Timestamp) -> Option<String> {
        let (at, days) = (self.at()?, self.days_left(now)?);
        let when = match days {
            1 => "in 1 day".to_owned(),
            2.. => format!("in {days} days"),
            0 => "today".to_owned(),
            -1 => "1 day ago".to_owned(),
            _ => format!("{} days ago", days.unsigned_abs()),
        };
        Some(format!("{}, {when}", at.strftime("%Y-%m-%d")))
    }

    /// Whether the deadline is GitHub's, and not the calendar's.
    fn is_an_end(&self) -> bool {
        self.ends_at.is_some() && self.ends_at == self.at()
    }

    /// Whole days from `now` to the deadline, rounded up; 0 on the day it passed, then negative.
    pub(crate) fn days_left(&self, now: Timestamp) -> Option<i64> {
        Some(-whole_days(self.at()?, now))
    }
}

/// Whole days from `from` to `to`, rounded down: -1 a moment before a day has begun.
fn whole_days(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().div_euclid(DAY.as_secs())
}

fn before(deadline: Timestamp, days: i32) -> Timestamp {
    deadline.checked_sub(DAY * days).unwrap_or(Timestamp::MIN)
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A deadline this near is worth a look.
const DUE_DAYS: i32 = 14;
const WARN_DAYS: [i32; 4] = [30, 14, 7, 1];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn days(n: i64) -> SignedDuration {
        DAY * i32::try_from(n).unwrap()
    }

    const SET: &str = "2026-01-01T00:00:00Z";
    /// 90 days later.
    const DEADLINE: &str = "2026-04-01T00:00:00Z";

    fn ninety() -> Deadline {
        let every = Duration::from_secs(90 * 86400);
        Deadline::of(Some(at(SET)), Some(every), None)
    }

    #[test]
    fn the_earlier_of_rotation_and_end_is_the_deadline() {
        assert_eq!(ninety().at(), Some(at(DEADLINE)));
        for (ends, want) in [
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2027-01-01T00:00:00Z", DEADLINE),
        ] {
            let both = Deadline {
                ends_at: Some(at(ends)),
                ..ninety()
            };
            assert_eq!(both.at(), Some(at(want)));
        }
        let nothing = Deadline::of(Some(at(SET)), None, None);
        let far = at("2100-01-01T00:00:00Z");
        assert_eq!(nothing.at(), None);
        assert_eq!(nothing.state(far), SecretState::Ok);
        assert_eq!(nothing.warning_due(far), None);
    }

    #[test]
    fn a_secret_is_due_for_two_weeks_then_overdue_and_expired_once_github_ended_it() {
        let both = Deadline {
            ends_at: Some(at("2026-04-11T00:00:00Z")),
            ..ninety()
        };
        for (now, want) in [
            (SET, SecretState::Ok),
            ("2026-03-17T23:59:59Z", SecretState::Ok),
            ("2026-03-18T00:00:00Z", SecretState::Due),
            ("2026-03-31T23:59:59Z", SecretState::Due),
            (DEADLINE, SecretState::Overdue),
            ("2026-04-10T23:59:59Z", SecretState::Overdue),
            ("2026-04-11T00:00:00Z", SecretState::Expired),
        ] {
            assert_eq!(both.state(at(now)), want, "{now}");
        }
    }

    #[test]
    fn warnings_fall_due_at_30_14_7_and_1_days_at_the_deadline_and_every_day_after() {
        for (now, want) in [
            ("2026-03-01T23:59:59Z", None),
            ("2026-03-02T00:00:00Z", Some("2026-03-02T00:00:00Z")),
            ("2026-03-17T12:00:00Z", Some("2026-03-02T00:00:00Z")),
            ("2026-03-18T12:00:00Z", Some("2026-03-18T00:00:00Z")),
            ("2026-03-25T12:00:00Z", Some("2026-03-25T00:00:00Z")),
            ("2026-03-30T23:59:59Z", Some("2026-03-25T00:00:00Z")),
            ("2026-03-31T12:00:00Z", Some("2026-03-31T00:00:00Z")),
            (DEADLINE, Some(DEADLINE)),
            ("2026-04-01T23:59:59Z", Some(DEADLINE)),
            ("2026-04-02T00:00:00Z", Some("2026-04-02T00:00:00Z")),
            ("2026-05-01T12:00:00Z", Some("2026-05-01T00:00:00Z")),
        ] {
            assert_eq!(ninety().warning_due(at(now)), want.map(at), "{now}");
        }
    }

    #[test]
    fn a_short_period_warns_of_no_threshold_that_it_never_crossed_and_a_near_end_warns_at_once() {
        let monthly = Duration::from_secs(30 * 86400);
        let monthly = Deadline::of(Some(at(SET)), Some(monthly), None);
        assert_eq!(monthly.warning_due(at("2026-01-16T00:00:00Z")), None);
        let fortnight = at("2026-01-17T00:00:00Z");
        assert_eq!(monthly.warning_due(fortnight), Some(fortnight));

        let ends = at("2026-01-11T00:00:00Z");
        let ending = Deadline::of(Some(at(SET)), None, Some(ends));
        assert_eq!(
            ending.warning_due(at(SET)),
            Some(at("2025-12-28T00:00:00Z"))
        );
    }

    #[test]
    fn days_left_are_whole_ones() {
        for (now, want) in [
            ("2026-03-02T00:00:00Z", 30),
            ("2026-03-31T00:00:01Z", 1),
            ("2026-03-31T23:59:59Z", 1),
            (DEADLINE, 0),
            ("2026-04-01T12:00:00Z", 0),
            ("2026-04-02T00:00:00Z", -1),
        ] {
            assert_eq!(ninety().days_left(at(now)), Some(want), "{now}");
        }
    }

    #[test]
    fn it_says_what_must_happen_by_when() {
        let ends = Deadline::of(None, None, Some(at(DEADLINE)));
        for (deadline, now, want) in [
            (
                ninety(),
                "2026-03-02T00:00:00Z",
                "must be rotated by 2026-04-01, in 30 days",
            ),
            (
                ninety(),
                "2026-03-31T09:00:00Z",
                "must be rotated by 2026-04-01, in 1 day",
            ),
            (
                ninety(),
                DEADLINE,
                "should have been rotated by 2026-04-01, today",
            ),
            (
                ninety(),
                "2026-04-04T00:00:00Z",
                "should have been rotated by 2026-04-01, 3 days ago",
            ),
            (
                ends,
                "2026-03-31T09:00:00Z",
                "ends at GitHub on 2026-04-01, in 1 day",
            ),
            (
                ends,
                "2026-04-02T00:00:00Z",
                "ended at GitHub on 2026-04-01, 1 day ago",
            ),
        ] {
            let words = deadline.describe("x", at(now)).unwrap();
            assert_eq!(words, format!("`x` {want}"));
        }
    }

    proptest! {
        /// However seldom one looks, the mark never goes back, never lies ahead, and after the
        /// deadline is never more than a day old.
        #[test]
        fn marks_go_forward_only(
            period in 1..400i64,
            ends in proptest::option::of(-400..400i64),
            first in 0..(500 * 86400i64),
            later in 0..(500 * 86400i64),
        ) {
            let set = at(SET);
            let every = Duration::from_secs(u64::try_from(period).unwrap() * 86400);
            let ends = ends.map(|n| set.checked_add(days(n)).unwrap());
            let deadline = Deadline::of(Some(set), Some(every), ends);
            let first = set.checked_add(SignedDuration::from_secs(first)).unwrap();
            let second = first.checked_add(SignedDuration::from_secs(later)).unwrap();
            let (a, b) = (deadline.warning_due(first), deadline.warning_due(second));
            prop_assert!(a <= b);
            prop_assert!(b.is_none_or(|mark| mark <= second));
            if deadline.at().unwrap() <= second {
                prop_assert!(second.duration_since(b.unwrap()) < DAY);
            }
        }
    }
}
