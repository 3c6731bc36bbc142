//! How often 1Password was asked, and how often it may be.
//!
//! A service account's reads are limited by the hour, and all service accounts of an account together by
//! the day. Others use the account too, so at most half of either is used here. The count is written
//! down before a request is made: a broker that crashes and comes back goes on from it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::SourceError;

/// What an account pays for.
///
/// Source: 1Password documentation, “Service account rate limits”.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// Individual and Families: the least, and so the one that is supposed unless told otherwise.
    #[default]
    Individual,
    /// Teams.
    Teams,
    /// Business.
    Business,
}

impl Plan {
    /// Reads in an hour, of one token.
    const fn hourly(self) -> u32 {
        match self {
            Self::Individual | Self::Teams => 1000,
            Self::Business => 10_000,
        }
    }

    /// How many of a day's requests may be made here.
    pub(super) const fn daily_share(self) -> u32 {
        self.daily() / 2
    }

    /// How many of an hour's requests may be made here.
    const fn hourly_share(self) -> u32 {
        self.hourly() / 2
    }

    /// Requests in a day, of all service accounts.
    const fn daily(self) -> u32 {
        match self {
            Self::Individual => 1000,
            Self::Teams => 5000,
            Self::Business => 50_000,
        }
    }
}

/// Requests by the hour they were made in, counted from 1970 by the wall clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<i64, u32>);

/// What is to be written down before a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The hour, counted from 1970.
    pub hour: i64,
    /// All requests in it, with those that are about to be made.
    pub requests: u32,
}

impl Requests {
    /// As they were written down.
    #[must_use]
    pub fn of(hours: impl IntoIterator<Item = Spent>) -> Self {
        let hours = hours.into_iter();
        Self(hours.map(|spent| (spent.hour, spent.requests)).collect())
    }

    /// Requests in the last 24 hours, this one included.
    #[must_use]
    pub fn in_a_day(&self, now: Timestamp) -> u32 {
        let this = hour(now);
        self.0
            .range(this - 23..=this)
            .map(|(_, requests)| *requests)
            .sum()
    }

    /// Counts requests that are about to be made.
    ///
    /// # Errors
    ///
    /// [`SourceError::Budget`] if that would be more than half of what the plan allows.
    pub fn spend(
        &mut self,
        requests: u32,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Spent, SourceError> {
        let this = hour(now);
        // A clock that was set back must not hide what was counted since.
        self.0
            .retain(|hour, _| (this - 23..=this + 23).contains(hour));
        let until = |hours_from_now: i64| {
            let then = (this + hours_from_now) * 3600;
            Duration::from_secs(u64::try_from(then - now.as_second()).unwrap_or(0).max(1))
        };
        let in_hour = self.0.get(&this).copied().unwrap_or(0);
        let refuse = |asked, allowed, hours, again_in| SourceError::Budget {
            asked,
            allowed,
            hours,
            again_in,
        };
        if in_hour + requests > plan.hourly_share() {
            return Err(refuse(in_hour, plan.hourly_share(), 1, until(1)));
        }
        let in_day: u32 = self.0.values().sum();
        if in_day + requests > plan.daily_share() {
            let oldest = self.0.keys().next().map_or(1, |oldest| oldest + 24 - this);
            return Err(refuse(in_day, plan.daily_share(), 24, until(oldest.max(1))));
        }
        let spent = Spent {
            hour: this,
            requests: in_hour + requests,
        };
        self.0.insert(this, spent.requests);
        Ok(spent)
    }
}

fn hour(now: Timestamp) -> i64 {
    now.as_second().div_euclid(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn half_an_hours_limit_may_be_used_and_then_the_next_hour_is_waited_for() {
        let mut requests = Requests::default();
        let now = at("2026-11-22T07:59:00Z");
        for count in 1..=2500 {
            let spent = requests.spend(2, Plan::Business, now).unwrap();
            assert_eq!(spent.requests, count * 2);
        }
        let error = requests.spend(1, Plan::Business, now).unwrap_err();
        let expected = SourceError::Budget {
            asked: 5000,
            allowed: 5000,
            hours: 1,
            again_in: Duration::from_secs(60),
        };
        assert_eq!(error, expected);
        assert!(
            requests
                .spend(1, Plan::Business, at("2026-11-22T08:00:00Z"))
                .is_ok()
        );
    }

    #[test]
    fn a_crash_loop_cannot_use_up_the_day() {
        let mut written = BTreeMap::new();
        let mut refused = None;
        for restart in 0..1000 {
            // Each start begins from what was written down.
            let hours = written.iter().map(|(hour, requests)| Spent {
                hour: *hour,
                requests: *requests,
            });
            let mut requests = Requests::of(hours);
            let now = at("2026-11-22T00:00:00Z") + Duration::from_secs(restart * 60);
            match requests.spend(1, Plan::Individual, now) {
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
}
