//! How many durable records an account may cause in a minute, so that none fills the disk alone.
//!
//! Three are kept: one for refusals, one for leases (grants and renewals), one for the bytes of both.
//! Past any of them the answer is `rate_limited`; what is not recorded one by one is counted, and one
//! record tells how many when the minute is over, so that a flood does not hide.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker_audit::record::LeaseEvent;
use broker_clock::Now;

/// How long requests are counted together.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The counters. An account costs memory only during a minute in which it asked.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    accounts: Mutex<HashMap<u32, Minute>>,
}

#[derive(Debug)]
struct Minute {
    began: Now,
    spent: usize,
    more: u64,
}

impl Budget {
    /// Counters that let an account have `limit` a minute.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            accounts: Mutex::default(),
        }
    }

    /// Spends as much as this, or nothing.
    ///
    /// # Errors
    ///
    /// If less is left: how long until the minute is over, in whole seconds rounded up.
    pub(crate) fn spend(&self, uid: u32, amount: usize, now: Now) -> Result<(), Duration> {
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
        Err(Duration::from_secs(left.as_secs() + 1))
    }

    /// Closes every minute that is over at this boot time. Of each, what goes into the log about requests
    /// past the budget, which were not recorded one by one.
    pub(crate) fn close(&self, at: Duration) -> Vec<LeaseEvent<'static>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let over = accounts.extract_if(|_, window| window.began.boot + MINUTE <= at);
        let mut counted: Vec<_> = over.filter(|(_, window)| window.more > 0).collect();
        counted.sort_by_key(|(uid, _)| *uid);
        let counted = counted
            .into_iter()
            .map(|(uid, window)| LeaseEvent::DeniedMore {
                uid,
                count: window.more,
                since: window.began.wall,
            });
        counted.collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

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
        assert!(budget.spend(7, 6, at(0)).is_ok());
        assert!(budget.spend(7, 5, at(1)).is_err());
        assert!(budget.spend(7, 4, at(2)).is_ok());
        assert!(budget.spend(7, 1, at(3)).is_err());
        let counted = budget.close(at(60).boot);
        assert!(matches!(
            counted[..],
            [LeaseEvent::DeniedMore { count: 2, .. }]
        ));
    }

    #[test]
    fn past_the_budget_requests_are_counted_and_the_next_minute_starts_over() {
        let budget = Budget::new(2);
        assert!(budget.spend(7, 1, at(0)).is_ok() && budget.spend(7, 1, at(1)).is_ok());
        let retry_after = budget.spend(7, 1, at(10)).unwrap_err();
        assert_eq!(retry_after, Duration::from_secs(51));
        assert!(
            budget.spend(8, 1, at(10)).is_ok(),
            "another account is not affected"
        );
        assert!(budget.spend(7, 1, at(11)).is_err());
        assert!(budget.close(at(59).boot).is_empty());
        let counted = budget.close(at(60).boot);
        assert_eq!(
            counted,
            [LeaseEvent::DeniedMore {
                uid: 7,
                count: 2,
                since: Timestamp::UNIX_EPOCH
            }]
        );
        assert!(budget.spend(7, 1, at(61)).is_ok());
    }
}
