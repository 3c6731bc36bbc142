//! How many requests the leases of one account may make for a purpose: `budget` in its policy.
//!
//! Counted from the first request on; when the time it is for is over, counting begins again. A restart
//! begins again, too: the records say what was used before it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker_clock::Now;
use broker_policy::Budget;
use broker_protocol::names::Purpose;

use super::Refusal;

/// The counters. A purpose and account costs memory only while a window lasts.
#[derive(Default)]
pub(super) struct RequestBudgets(Mutex<HashMap<(Purpose, u32), Window>>);

struct Window {
    began: Now,
    /// As the policy said when it began.
    budget: Budget,
    spent: u32,
}

impl RequestBudgets {
    /// Spends one request.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that says when there are more.
    pub(super) fn spend(
        &self,
        whose: (Purpose, u32),
        budget: Budget,
        now: Now,
    ) -> Result<(), Refusal> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |window: &Window| window.ends() <= now.boot;
        if windows
            .get(&whose)
            .is_none_or(|window| over(window) || window.budget != budget)
        {
            windows.retain(|_, window| !over(window));
            let window = Window {
                began: now,
                budget,
                spent: 0,
            };
            windows.insert(whose.clone(), window);
        }
        let Some(window) = windows.get_mut(&whose) else {
            return Ok(()); // inserted above
        };
        if window.spent < budget.requests {
            window.spent += 1;
            return Ok(());
        }
        let left = window.ends().saturating_sub(now.boot);
        let left = Duration::from_secs(left.as_secs() + 1);
        Err(Refusal::budget_used_up(
            &whose.0,
            budget,
            now.wall.saturating_add(left).unwrap_or(now.wall),
            left,
        ))
    }
}

impl Window {
    fn ends(&self) -> Duration {
        self.began.boot.saturating_add(self.budget.per)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn each_account_has_its_requests_and_gets_them_again_when_the_time_is_over() {
        let at = |seconds| Now {
            wall: Timestamp::from_second(1_000_000).unwrap() + Duration::from_secs(seconds),
            boot: Duration::from_secs(seconds),
        };
        let budget = Budget {
            requests: 2,
            per: Duration::from_secs(60),
        };
        let budgets = RequestBudgets::default();
        let spend = |account, budget, seconds| {
            let whose = ("label-sync".parse().unwrap(), account);
            budgets.spend(whose, budget, at(seconds))
        };
        assert!(spend(7, budget, 0).is_ok() && spend(7, budget, 59).is_ok());
        let refusal = spend(7, budget, 59).unwrap_err();
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(refusal.used_up.unwrap().reset_at, at(61).wall);
        assert!(spend(8, budget, 59).is_ok(), "another account has its own");
        assert!(spend(7, budget, 60).is_ok());
        let wider = Budget {
            requests: 3,
            ..budget
        };
        assert!(spend(7, budget, 60).is_ok() && spend(7, budget, 60).is_err());
        assert!(spend(7, wider, 60).is_ok(), "a reload counts");
    }
}
