//! Refusals, counted by account, so that a flood of them neither fills the disk nor hides.
//!
//! In each minute an account's first refusals are recorded one by one. Past the limit the answer is
//! `rate_limited`, and one record counts the rest when the minute is over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Now;

/// How long refusals are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);

/// The counters. An account costs memory only during a minute in which it was refused.
#[derive(Debug)]
pub struct Denials {
    limit: u32,
    accounts: Mutex<HashMap<u32, Window>>,
}

#[derive(Debug)]
struct Window {
    began: Now,
    recorded: u32,
    more: u64,
}

/// Refusals of one account that were not recorded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncounted {
    /// The account.
    pub uid: u32,
    /// How many.
    pub count: u64,
    /// When counting began.
    pub since: Timestamp,
}

/// The account is past its limit: come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// Until the minute is over, in whole seconds rounded up.
    pub retry_after: Duration,
}

impl Denials {
    /// Counters that let `limit` refusals of an account be recorded in a minute.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            accounts: Mutex::default(),
        }
    }

    /// Counts one refusal. `Ok` if it is to be recorded by itself.
    ///
    /// # Errors
    ///
    /// [`Flood`] past the limit.
    pub fn count(&self, uid: u32, now: Now) -> Result<(), Flood> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let window = accounts.entry(uid).or_insert(Window {
            began: now,
            recorded: 0,
            more: 0,
        });
        if window.recorded < self.limit {
            window.recorded += 1;
            return Ok(());
        }
        window.more += 1;
        let left = (window.began.boot + WINDOW).saturating_sub(now.boot);
        Err(Flood {
            retry_after: Duration::from_secs(left.as_secs() + 1),
        })
    }

    /// Closes every minute that is over and says what was only counted in it.
    pub fn close(&self, now: Now) -> Vec<Uncounted> {
        self.take(|window| window.began.boot + WINDOW <= now.boot)
    }

    /// Closes every minute, for an orderly stop.
    pub fn close_all(&self) -> Vec<Uncounted> {
        self.take(|_| true)
    }

    fn take(&self, over: impl Fn(&Window) -> bool) -> Vec<Uncounted> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted: Vec<_> = accounts
            .extract_if(|_, window| over(window))
            .filter(|(_, window)| window.more > 0)
            .map(|(uid, window)| Uncounted {
                uid,
                count: window.more,
                since: window.began.wall,
            })
            .collect();
        counted.sort_by_key(|one| one.uid);
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH,
            boot: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn past_the_limit_refusals_are_counted_and_the_next_minute_starts_anew() {
        let denials = Denials::new(2);
        assert!(denials.count(7, at(0)).is_ok() && denials.count(7, at(1)).is_ok());
        let flood = denials.count(7, at(10)).unwrap_err();
        assert_eq!(flood.retry_after, Duration::from_secs(51));
        assert!(
            denials.count(8, at(10)).is_ok(),
            "another account is not affected"
        );
        assert!(denials.count(7, at(11)).is_err());
        assert!(denials.close(at(59)).is_empty());
        let counted = denials.close(at(60));
        assert_eq!(
            counted,
            [Uncounted {
                uid: 7,
                count: 2,
                since: Timestamp::UNIX_EPOCH
            }]
        );
        assert!(denials.count(7, at(61)).is_ok());
    }
}
