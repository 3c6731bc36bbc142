//! How often 1Password was asked, and how often it may be.
//!
//! A service account's reads are limited by the hour, and all service accounts of an account together by
//! the day. Others use the account too, so at most half of either is used here. The count is stored
//! before a request is made: a broker that crashes and restarts continues from it.
//!
//! Hours pass by boot time. The wall clock is believed once in a run of the broker: it says which hours
//! those are that were stored before. What was stored for an hour to come was so
//! by a clock that was wrong, and holds nothing back.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_clock::Now;
use jiff::Timestamp;

use crate::SourceError;

/// What an account pays for.
///
/// Source: 1Password documentation, “Service account rate limits”.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// Individual and Families: the least, and so the default.
    #[default]
    Individual,
    /// Teams.
    Teams,
    /// Business.
    Business,
}

impl Plan {
    /// How many requests may be made here: half of an hour's reads of one token, and half of a day's
    /// requests of all service accounts.
    pub(super) const fn shares(self) -> (u32, u32) {
        match self {
            Self::Individual => (1000 / 2, 1000 / 2),
            Self::Teams => (1000 / 2, 5000 / 2),
            Self::Business => (10_000 / 2, 50_000 / 2),
        }
    }
}

/// Requests by the hour they were made in, counted from 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    hours: BTreeMap<i64, u32>,
    /// When this was first asked.
    began: Option<Now>,
}

/// The requests of one hour, stored before they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourlyRequests {
    /// The hour, counted from 1970.
    pub hour: i64,
    /// All requests in it, with those about to be made.
    pub requests: u32,
}

impl Requests {
    /// Continues from what was stored: hours, counted from 1970, and the requests in each.
    #[must_use]
    pub fn of(hours: impl IntoIterator<Item = (i64, u32)>) -> Self {
        Self {
            hours: hours.into_iter().collect(),
            began: None,
        }
    }

    /// Requests in the last 24 hours, this one included.
    #[must_use]
    pub fn in_a_day(&self, now: Now) -> u32 {
        let this = hour(self.steady(now));
        self.hours
            .range(this - 23..=this)
            .map(|(_, requests)| *requests)
            .sum()
    }

    /// The wall clock as it would be if it had not been set since the first call.
    fn steady(&self, now: Now) -> Timestamp {
        let began = self.began.unwrap_or(now);
        let passed = now.boot.saturating_sub(began.boot);
        began.wall.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Counts requests that are about to be made.
    ///
    /// # Errors
    ///
    /// [`SourceError::Budget`] if that would be more than half of what the plan allows.
    pub fn count(
        &mut self,
        requests: u32,
        plan: Plan,
        now: Now,
    ) -> Result<HourlyRequests, SourceError> {
        self.began.get_or_insert(now);
        let now = self.steady(now);
        let this = hour(now);
        self.hours
            .retain(|hour, _| (this - 23..=this).contains(hour));
        let until = |hours_from_now: i64| {
            let then = (this + hours_from_now) * 3600;
            Duration::from_secs(u64::try_from(then - now.as_second()).unwrap_or(0).max(1))
        };
        let in_hour = self.hours.get(&this).copied().unwrap_or(0);
        let refuse = |asked, allowed, hours, again_in| SourceError::Budget {
            asked,
            allowed,
            hours,
            again_in,
        };
        let (hourly, daily) = plan.shares();
        if in_hour + requests > hourly {
            return Err(refuse(in_hour, hourly, 1, until(1)));
        }
        let in_day: u32 = self.hours.values().sum();
        if in_day + requests > daily {
            let oldest = self.hours.keys().next();
            let oldest = oldest.map_or(1, |oldest| oldest + 24 - this);
            return Err(refuse(in_day, daily, 24, until(oldest.max(1))));
        }
        let counted = HourlyRequests {
            hour: this,
            requests: in_hour + requests,
        };
        self.hours.insert(this, counted.requests);
        Ok(counted)
    }
}

fn hour(now: Timestamp) -> i64 {
    now.as_second().div_euclid(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With boot time in step.
    fn at(text: &str) -> Now {
        let wall: Timestamp = text.parse().unwrap();
        let boot = Duration::from_secs(wall.as_second().try_into().unwrap());
        Now { wall, boot }
    }

    fn later(now: Now, seconds: u64) -> Now {
        Now {
            wall: now.wall + Duration::from_secs(seconds),
            boot: now.boot + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn half_an_hours_limit_may_be_used_and_then_the_next_hour_is_waited_for() {
        let mut requests = Requests::default();
        let now = at("2026-11-22T07:59:00Z");
        for count in 1..=2500 {
            let spent = requests.count(2, Plan::Business, now).unwrap();
            assert_eq!(spent.requests, count * 2);
        }
        let error = requests.count(1, Plan::Business, now).unwrap_err();
        let expected = SourceError::Budget {
            asked: 5000,
            allowed: 5000,
            hours: 1,
            again_in: Duration::from_secs(60),
        };
        assert_eq!(error, expected);
        assert!(
            requests
                .count(1, Plan::Business, at("2026-11-22T08:00:00Z"))
                .is_ok()
        );
    }

    #[test]
    fn a_crash_loop_cannot_use_up_the_day() {
        let mut written = BTreeMap::new();
        let mut refused = None;
        for restart in 0..1000 {
            // Each start begins from what was written down.
            let mut requests = Requests::of(written.clone());
            let now = later(at("2026-11-22T00:00:00Z"), restart * 60);
            match requests.count(1, Plan::Individual, now) {
                Ok(spent) => {
                    written.insert(spent.hour, spent.requests);
                }
                Err(error) => {
                    refused = Some((restart, error));
                    break;
                }
            }
        }
        let (restart, error) = refused.unwrap();
        assert_eq!(restart, 500);
        let SourceError::Budget {
            hours, again_in, ..
        } = error
        else {
            panic!("{error}");
        };
        // 08:20; what was asked in the first hour is forgotten at midnight.
        assert_eq!((hours, again_in.as_secs()), (24, (15 * 60 + 40) * 60));
    }

    #[test]
    fn a_clock_that_is_set_neither_frees_requests_nor_holds_any_back() {
        let mut requests = Requests::default();
        let began = at("2026-11-22T00:00:00Z");
        requests.count(400, Plan::Individual, began).unwrap();
        for set_by in [72, -72, 0] {
            let hours = jiff::SignedDuration::from_hours(set_by);
            let now = later(began, 3600);
            let set = Now {
                wall: now.wall + hours,
                ..now
            };
            assert_eq!(requests.in_a_day(set), 400);
            let refused = requests.clone().count(101, Plan::Individual, set);
            assert!(matches!(refused, Err(SourceError::Budget { .. })));
            let day_later = Now {
                wall: set.wall,
                ..later(began, 24 * 3600)
            };
            assert!(
                requests
                    .clone()
                    .count(500, Plan::Individual, day_later)
                    .is_ok()
            );
        }
    }

    #[test]
    fn what_was_written_down_for_an_hour_to_come_holds_nothing_back() {
        let now = at("2026-11-22T00:00:00Z");
        let hour = hour(now.wall);
        let mut ahead = Requests::of([(hour + 5, 500)]);
        assert_eq!(ahead.in_a_day(now), 0);
        assert!(ahead.count(1, Plan::Individual, now).is_ok());
        let mut before = Requests::of([(hour - 5, 500)]);
        assert!(before.count(1, Plan::Individual, now).is_err());
    }
}
