//! Rate limits: one budget per principal, shared by all of its tokens, and the secondary limit.
//!
//! Source: GitHub documentation, “Rate limits for the REST API”. Everything answered here draws on
//! the resource `core`, GraphQL on one of its own; others are listed by `/rate_limit` and stay full.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::Answer;

/// What is left of whose budget.
#[derive(Debug, Default)]
pub struct Limits {
    budgets: BTreeMap<(Resource, String), Budget>,
    secondary: BTreeMap<String, Penalty>,
    points: BTreeMap<String, (i64, u64)>,
}

/// What there is a budget for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// REST.
    Core,
    /// GraphQL, in points.
    Graphql,
}

/// One principal's hour.
#[derive(Debug, Clone, Copy)]
struct Budget {
    limit: u64,
    used: u64,
    reset: i64,
}

#[derive(Debug, Clone, Copy)]
struct Penalty {
    until: i64,
    tells: bool,
}

/// How long a budget lasts, in seconds.
const HOUR: i64 = 3600;
/// How long the secondary limit holds once it struck by rate, in seconds.
const PENALTY: i64 = 60;

impl Resource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Graphql => "graphql",
        }
    }
}

impl Limits {
    /// From now on this principal has used so many of so many; the hour begins.
    pub fn set(&mut self, principal: &str, limit: u64, used: u64, now: jiff::Timestamp) {
        self.set_of(Resource::Core, principal, (limit, used), now);
    }

    /// The same of any resource: the limit, and how many are used.
    pub fn set_of(
        &mut self,
        resource: Resource,
        principal: &str,
        (limit, used): (u64, u64),
        now: jiff::Timestamp,
    ) {
        let reset = now.as_second() + HOUR;
        let budget = Budget { limit, used, reset };
        self.budgets
            .insert((resource, principal.to_owned()), budget);
    }

    /// This principal is under the secondary limit for so many seconds, said in `Retry-After` or not.
    pub fn penalise(&mut self, principal: &str, seconds: u64, tells: bool, now: jiff::Timestamp) {
        let until = now.as_second() + i64::try_from(seconds).unwrap();
        let penalty = Penalty { until, tells };
        self.secondary.insert(principal.to_owned(), penalty);
    }

    /// What this principal has used of its hour.
    #[must_use]
    pub fn used(&self, principal: &str) -> u64 {
        self.used_of(Resource::Core, principal)
    }

    /// The same of any resource.
    #[must_use]
    pub fn used_of(&self, resource: Resource, principal: &str) -> u64 {
        let budget = self.budgets.get(&(resource, principal.to_owned()));
        budget.map_or(0, |budget| budget.used)
    }

    /// Draws on the budget, or says why not. Calls refused by the primary limit cost nothing more.
    pub(crate) fn draw(&mut self, call: &Draw<'_>) -> Result<(), Answer> {
        self.under_secondary(call)?;
        match self.draw_on(Resource::Core, 1, call) {
            true => Ok(()),
            false => Err(primary(403, call.who)),
        }
    }

    /// Draws so many on one budget, unless it is used up.
    pub(crate) fn draw_on(&mut self, resource: Resource, points: u64, call: &Draw<'_>) -> bool {
        let budget = self.budget(resource, call.principal, call.limit, call.now);
        let left = budget.used < budget.limit;
        if left {
            budget.used += points;
        }
        left
    }

    /// Limit, used and the second of reset.
    pub(crate) fn left(
        &mut self,
        resource: Resource,
        principal: &str,
        limit: u64,
        now: i64,
    ) -> (u64, u64, i64) {
        let budget = self.budget(resource, principal, limit, now);
        (budget.limit, budget.used, budget.reset)
    }

    /// The secondary limit alone; `/rate_limit` is under it too.
    pub(crate) fn under_secondary(&mut self, call: &Draw<'_>) -> Result<(), Answer> {
        if let Some(penalty) = self.secondary.get(call.principal)
            && penalty.until > call.now
        {
            let wait = u64::try_from(penalty.until - call.now).unwrap();
            return Err(secondary(403, penalty.tells.then_some(wait)));
        }
        let minute = call.now / 60;
        let points = self.points.entry(call.principal.to_owned()).or_default();
        if points.0 != minute {
            *points = (minute, 0);
        }
        points.1 += call.cost;
        if points.1 > call.points_a_minute {
            let until = call.now + PENALTY;
            let penalty = Penalty { until, tells: true };
            self.secondary.insert(call.principal.to_owned(), penalty);
            return Err(secondary(403, u64::try_from(PENALTY).ok()));
        }
        Ok(())
    }

    /// A conditional request that was answered 304 is free.
    pub(crate) fn give_back(&mut self, principal: &str) {
        let budget = self
            .budgets
            .get_mut(&(Resource::Core, principal.to_owned()));
        if let Some(budget) = budget {
            budget.used = budget.used.saturating_sub(1);
        }
    }

    pub(crate) fn headers(
        &mut self,
        resource: Resource,
        principal: &str,
        limit: u64,
        now: i64,
    ) -> Vec<(String, String)> {
        let budget = *self.budget(resource, principal, limit, now);
        [
            ("x-ratelimit-limit", budget.limit.to_string()),
            ("x-ratelimit-remaining", budget.remaining().to_string()),
            ("x-ratelimit-reset", budget.reset.to_string()),
            ("x-ratelimit-resource", resource.as_str().to_owned()),
            ("x-ratelimit-used", budget.used.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(crate) fn overview(&mut self, principal: &str, limit: u64, now: i64) -> Value {
        let core = self.budget(Resource::Core, principal, limit, now).json();
        let graphql = self.budget(Resource::Graphql, principal, limit, now).json();
        let full = |limit: u64, seconds: i64| json!({ "limit": limit, "used": 0, "remaining": limit, "reset": now + seconds });
        json!({
            "core": core,
            "search": full(30, 60),
            "graphql": graphql,
            "integration_manifest": full(5000, HOUR),
            "code_scanning_upload": full(1000, HOUR),
            "actions_runner_registration": full(10000, HOUR),
            "scim": full(15000, HOUR),
            "dependency_snapshots": full(100, 60),
            "code_search": full(10, 60),
        })
    }

    fn budget(&mut self, resource: Resource, principal: &str, limit: u64, now: i64) -> &mut Budget {
        let fresh = Budget {
            limit,
            used: 0,
            reset: now + HOUR,
        };
        let key = (resource, principal.to_owned());
        let budget = self.budgets.entry(key).or_insert(fresh);
        if budget.reset <= now {
            budget.used = 0;
            budget.reset = now + HOUR;
        }
        budget
    }
}

/// One draw on a budget.
pub(crate) struct Draw<'a> {
    pub(crate) principal: &'a str,
    /// As the refusal names it: `user ID 1001`.
    pub(crate) who: &'a str,
    pub(crate) limit: u64,
    /// 1 for a read, 5 for a change.
    pub(crate) cost: u64,
    pub(crate) points_a_minute: u64,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

impl Budget {
    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn json(&self) -> Value {
        json!({
            "limit": self.limit, "used": self.used, "remaining": self.remaining(), "reset": self.reset,
        })
    }
}

pub(crate) fn primary(status: u16, who: &str) -> Answer {
    Answer::error(status, &format!("API rate limit exceeded for {who}."))
}

/// The wording varies at GitHub; this is the one most often seen.
pub(crate) fn secondary(status: u16, retry_after: Option<u64>) -> Answer {
    let answer = Answer::error(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    );
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}
