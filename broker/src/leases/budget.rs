//! How many durable records an account may cause in a minute, so that none fills the disk alone.
//!
//! Three are kept: one for refusals, one for leases (grants and renewals), one for the bytes of both.
//! Past any of them the answer is `rate_limited`; what is not recorded one by one is counted, and one
//! record tells how many when the minute is over, so that a flood does not hide.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker_clock::Now;
use jiff::Timestamp;

/// How long requests are counted together.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The counters. An account costs memory only during a minute in which it asked.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u32,
    accounts: Mutex<HashMap<u32, Minute>>,
}

#[derive(Debug)]
struct Minute {
    began: Now,
    spent: u32,
    more: u64,
}

/// Requests of one account past its budget, which were not recorded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flood {
    pub(crate) uid: u32,
    pub(crate) count: u64,
    /// When counting began.
    pub(crate) since: Timestamp,
}

/// The account is past its limit: come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetSpent {
    /// Until the minute is over, in whole seconds rounded up.
    pub(crate) retry_after: Duration,
}

impl Budget {
    /// Counters that let an account have `limit` a minute.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            accounts: Mutex::default(),
        }
    }

    /// Spends one.
    ///
    /// # Errors
    ///
    /// [`BudgetSpent`] past the limit.
    pub(crate) fn spend(&self, uid: u32, now: Now) -> Result<(), BudgetSpent> {
        self.spend_some(uid, 1, now)
    }

    /// Spends as much as this, or nothing.
    ///
    /// # Errors
    ///
    /// [`BudgetSpent`] if less is left.
    pub(crate) fn spend_some(&self, uid: u32, amount: u32, now: Now) -> Result<(), BudgetSpent> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let window = accounts.entry(uid).or_insert(Minute {
            began: now,
            spent: 0,
            more: 0,
        });
        if amount <= self.limit.saturating_sub(window.spent) {
            window.spent += amount;
            return Ok(());
        }
        window.more += 1;
        let left = (window.began.boot + MINUTE).saturating_sub(now.boot);
        Err(BudgetSpent {
            retry_after: Duration::from_secs(left.as_secs() + 1),
        })
    }

    /// Closes every minute that is over and says what was only counted in it.
    pub(crate) fn close(&self, now: Now) -> Vec<Flood> {
        self.take(|window| window.began.boot + MINUTE <= now.boot)
    }

    /// Closes every minute, for an orderly stop.
    pub(crate) fn close_all(&self) -> Vec<Flood> {
        self.take(|_| true)
    }

    fn take(&self, over: impl Fn(&Minute) -> bool) -> Vec<Flood> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted: Vec<_> = accounts
            .extract_if(|_, window| over(window))
            .filter(|(_, window)| window.more > 0)
            .map(|(uid, window)| Flood {
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
    fn what_does_not_fit_spends_nothing_and_less_may_still_fit() {
        let budget = Budget::new(10);
        assert!(budget.spend_some(7, 6, at(0)).is_ok());
        assert!(budget.spend_some(7, 5, at(1)).is_err());
        assert!(budget.spend_some(7, 4, at(2)).is_ok());
        assert!(budget.spend_some(7, 1, at(3)).is_err());
        assert_eq!(budget.close(at(60))[0].count, 2);
    }

    #[test]
    fn past_the_budget_requests_are_counted_and_the_next_minute_starts_over() {
        let budget = Budget::new(2);
        assert!(budget.spend(7, at(0)).is_ok() && budget.spend(7, at(1)).is_ok());
        let flood = budget.spend(7, at(10)).unwrap_err();
        assert_eq!(flood.retry_after, Duration::from_secs(51));
        assert!(
            budget.spend(8, at(10)).is_ok(),
            "another account is not affected"
        );
        assert!(budget.spend(7, at(11)).is_err());
        assert!(budget.close(at(59)).is_empty());
        let counted = budget.close(at(60));
        assert_eq!(
            counted,
            [Flood {
                uid: 7,
                count: 2,
                since: Timestamp::UNIX_EPOCH
            }]
        );
        assert!(budget.spend(7, at(61)).is_ok());
    }
}
