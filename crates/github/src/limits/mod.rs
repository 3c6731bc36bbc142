//! What GitHub last said of each principal's budget: one view, fed by every answer.
//!
//! A primary limit counts requests in a window, by resource. A secondary limit is for asking too
//! fast; GitHub says how long to stay away, or not, and going on meanwhile may get an integration
//! banned. For a principal that is limited nothing is asked before the time: see [`Limits::limited`].
//!
//! Resets come as GitHub's time of day. They are kept as boot time, measured against the `Date` of
//! the same answer, so that a wall clock that is off neither hides nor prolongs a limit.
//!
//! Not here: which principal a secret draws on, and what is told to callers.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::{Backoff, Now};
use broker_protocol::api::{HeldOff, PrincipalLimits, RateLimit, ResourceLimit};
use jiff::Timestamp;

use super::error::LimitKind;
use super::principal::Principal;
use super::reply::ReplyHeaders;

/// The resource that most endpoints draw on.
pub const CORE: &str = "core";

/// All principals.
#[derive(Debug, Default)]
pub struct Limits {
    principals: Mutex<HashMap<Principal, Budget>>,
    /// Whether a figure came in since someone last asked.
    changed: AtomicBool,
}

/// What is known of one principal.
#[derive(Debug, Default)]
struct Budget {
    resources: BTreeMap<String, Window>,
    hold: Option<Hold>,
    /// Boot time of the last answer: the longest ago is forgotten first.
    heard: Duration,
    /// Limits run into since they were last taken, for the audit log.
    news: Vec<BecameLimited>,
}

#[derive(Debug, Clone)]
struct Window {
    rate: RateLimit,
    /// Boot time at which the window ends.
    ends: Duration,
    /// Whether its being used up was told.
    told: bool,
}

/// A limit on whatever is asked: a secondary one, or a lock-out.
#[derive(Debug, Clone, Copy)]
struct Hold {
    kind: LimitKind,
    /// Boot time until which to stay away.
    until: Duration,
    /// The same by the wall clock.
    until_wall: Timestamp,
    /// How often in a row; GitHub's own advice is to double.
    strikes: u32,
}

/// That a principal is limited now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Which limit.
    pub kind: LimitKind,
    /// How long still, in whole seconds rounded up.
    pub retry_after: Duration,
    /// When it ends.
    pub until: Timestamp,
}

/// That a principal became limited: told once for each window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BecameLimited {
    /// Whose budget.
    pub principal: Principal,
    /// Which limit.
    pub kind: LimitKind,
    /// Which resource, of a primary limit.
    pub resource: Option<String>,
    /// When it ends.
    pub until: Timestamp,
}

impl Limits {
    /// Takes in the headers of an answer.
    pub fn learn(&self, principal: &Principal, headers: &ReplyHeaders, now: Now) {
        if let Some(rate) = &headers.rate {
            self.learn_rate(principal, rate.clone(), headers.date, now);
        }
    }

    /// Takes in one resource. `date` is GitHub's clock at the same moment.
    pub fn learn_rate(
        &self,
        principal: &Principal,
        ResourceLimit { resource, rate }: ResourceLimit,
        date: Option<Timestamp>,
        now: Now,
    ) {
        let clock = date.unwrap_or(now.wall);
        let left = Duration::try_from(rate.reset_at.duration_since(clock)).unwrap_or_default();
        // No window is longer than an hour; an odd header must not keep anyone away for a year.
        let ends = now.boot.saturating_add(left.min(LONGEST_WINDOW));
        let mut principals = self.principals();
        let budget = budget_of(&mut principals, principal, now);
        if !budget.resources.contains_key(&resource) && budget.resources.len() >= MOST_RESOURCES {
            return;
        }
        let window = budget
            .resources
            .entry(resource.clone())
            .or_insert_with(|| Window {
                rate: rate.clone(),
                ends,
                told: false,
            });
        // Answers overtake each other. Within one window the figure only falls.
        let older = rate.reset_at < window.rate.reset_at;
        let same = rate.reset_at == window.rate.reset_at;
        if older || (same && rate.remaining > window.rate.remaining) {
            return;
        }
        self.changed.store(true, Ordering::Release);
        let told = same && window.told;
        let until = rate.reset_at;
        let used_up = rate.remaining == 0 && rate.limit > 0 && now.boot < ends;
        *window = Window {
            rate,
            ends,
            told: told || used_up,
        };
        if used_up && !told {
            budget.tell(BecameLimited {
                principal: principal.clone(),
                kind: LimitKind::Primary,
                resource: Some(resource),
                until,
            });
        }
    }

    /// Takes in a refusal, and says how long to stay away: as long as GitHub says; else, for a
    /// primary limit, to the end of the window; else a minute, doubled each time it comes again. After
    /// a lock-out a quarter of an hour: GitHub says only “temporarily”, and trying on prolongs it.
    ///
    /// Sources: GitHub REST documentation, “Best practices for using the REST API”; “Authenticating to
    /// the REST API”, failed login limit.
    pub fn refused(
        &self,
        principal: &Principal,
        kind: LimitKind,
        headers: &ReplyHeaders,
        now: Now,
    ) -> Duration {
        self.learn(principal, headers, now);
        let mut principals = self.principals();
        let budget = budget_of(&mut principals, principal, now);
        if kind == LimitKind::Primary
            && headers.retry_after.is_none()
            && let Some(window) = headers
                .rate
                .as_ref()
                .and_then(|limit| budget.resources.get(&limit.resource))
                .filter(|window| now.boot < window.ends)
        {
            return whole_seconds(window.ends.saturating_sub(now.boot));
        }
        // Still in it, or lately out of it: GitHub was asked again too soon.
        let again = budget
            .hold
            .filter(|last| now.boot < last.until.saturating_add(SOON_AFTER));
        let still = again.is_some_and(|last| now.boot < last.until);
        let strikes = again.map_or(0, |last| {
            // Several calls that were under way at once are one offence.
            if still {
                last.strikes
            } else {
                last.strikes.saturating_add(1)
            }
        });
        let first = match kind {
            LimitKind::Primary | LimitKind::Secondary => A_MINUTE,
            LimitKind::LockOut => LOCK_OUT,
        };
        let cap = LONGEST_WINDOW;
        let floor = Backoff { first, cap }.pause(strikes);
        let wait = match headers.retry_after {
            Some(told) if strikes == 0 => told,
            Some(told) => told.max(floor),
            None => floor,
        };
        let wait = whole_seconds(wait.clamp(A_SECOND, LONGEST_WINDOW));
        let until = now.boot.saturating_add(wait);
        let until_wall = now.wall.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let longer = again.is_none_or(|last| until > last.until);
        if longer {
            budget.hold = Some(Hold {
                kind,
                until,
                until_wall,
                strikes,
            });
        }
        if !still {
            budget.tell(BecameLimited {
                principal: principal.clone(),
                kind,
                resource: None,
                until: until_wall,
            });
        }
        wait
    }

    /// Whether a call that draws on `resource` would be refused by GitHub now. The longest wait is
    /// told, if there are two.
    #[must_use]
    pub fn limited(&self, principal: &Principal, resource: &str, now: Now) -> Option<Limited> {
        let principals = self.principals();
        let budget = principals.get(principal)?;
        let hold = budget.held_off(now);
        let primary = budget.resources.get(resource).and_then(|window| {
            let used_up = window.rate.remaining == 0 && window.rate.limit > 0;
            (used_up && now.boot < window.ends).then(|| Limited {
                kind: LimitKind::Primary,
                retry_after: whole_seconds(window.ends.saturating_sub(now.boot)),
                until: window.rate.reset_at,
            })
        });
        hold.into_iter()
            .chain(primary)
            .max_by_key(|limit| limit.retry_after)
    }

    /// Whether the principal is in a limit that holds for whatever is asked: a secondary one, or a
    /// lock-out.
    #[must_use]
    pub fn held_off(&self, principal: &Principal, now: Now) -> Option<Limited> {
        self.principals().get(principal)?.held_off(now)
    }

    /// What is left of a resource. `None` if it is not known, or the window known has ended.
    #[must_use]
    pub fn rate(&self, principal: &Principal, resource: &str, now: Now) -> Option<RateLimit> {
        let principals = self.principals();
        let window = principals.get(principal)?.resources.get(resource)?;
        (now.boot < window.ends).then(|| window.rate.clone())
    }

    /// When something was last heard of a principal, in boot time.
    #[must_use]
    pub fn heard_of(&self, principal: &Principal) -> Option<Duration> {
        Some(self.principals().get(principal)?.heard)
    }

    /// Whether a figure came in since this was last asked.
    #[must_use]
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// Who became limited since this was last asked: for the audit log.
    #[must_use]
    pub fn take_news(&self) -> Vec<BecameLimited> {
        let mut principals = self.principals();
        let mut news: Vec<_> = principals
            .values_mut()
            .flat_map(|budget| std::mem::take(&mut budget.news))
            .collect();
        news.sort_by(|one, other| one.principal.cmp(&other.principal));
        news
    }

    /// All that is known, in order, for operators and metrics.
    #[must_use]
    pub fn view(&self, now: Now) -> Vec<PrincipalLimits> {
        let principals = self.principals();
        let in_order: BTreeMap<_, _> = principals.iter().collect();
        let views = in_order.into_iter().map(|(principal, budget)| {
            let windows = budget.resources.iter();
            let current = windows.filter(|(_, window)| now.boot < window.ends);
            PrincipalLimits {
                principal: principal.to_string(),
                resources: current
                    .map(|(resource, window)| ResourceLimit {
                        resource: resource.clone(),
                        rate: window.rate.clone(),
                    })
                    .collect(),
                held_off: budget.held_off(now).map(|limit| HeldOff {
                    limit: limit.kind.as_str().to_owned(),
                    until: limit.until,
                }),
            }
        });
        views
            .filter(|view| !view.resources.is_empty() || view.held_off.is_some())
            .collect()
    }

    fn principals(&self) -> MutexGuard<'_, HashMap<Principal, Budget>> {
        self.principals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    fn held_off(&self, now: Now) -> Option<Limited> {
        let limit = self.hold.filter(|limit| now.boot < limit.until)?;
        Some(Limited {
            kind: limit.kind,
            retry_after: whole_seconds(limit.until.saturating_sub(now.boot)),
            until: limit.until_wall,
        })
    }

    fn tell(&mut self, news: BecameLimited) {
        if self.news.len() < MOST_RESOURCES {
            self.news.push(news);
        }
    }
}

/// The entry of a principal; past the bound the one heard of longest ago makes room. One that is
/// limited now is kept as long as there is another.
fn budget_of<'a>(
    principals: &'a mut HashMap<Principal, Budget>,
    principal: &Principal,
    now: Now,
) -> &'a mut Budget {
    if !principals.contains_key(principal) && principals.len() >= MOST_PRINCIPALS {
        let oldest = principals
            .iter()
            .min_by_key(|(_, budget)| (budget.held_off(now).is_some(), budget.heard))
            .map(|(principal, _)| principal.clone());
        if let Some(oldest) = oldest {
            principals.remove(&oldest);
        }
    }
    let budget = principals.entry(principal.clone()).or_default();
    budget.heard = now.boot;
    budget
}

/// Rounded up: who comes back at the told second must not be early.
pub(super) fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// About 200 bytes each: bounded at less than a megabyte.
const MOST_PRINCIPALS: usize = 4096;
/// GitHub documents twelve.
const MOST_RESOURCES: usize = 32;
const A_SECOND: Duration = Duration::from_secs(1);
/// Source: GitHub REST documentation, “Rate limits for the REST API”: “wait for at least one minute”.
const A_MINUTE: Duration = Duration::from_secs(60);
/// Not GitHub's figure: it names none.
const LOCK_OUT: Duration = Duration::from_secs(15 * 60);
/// Who runs into the limit again so soon after the last has not slowed down.
const SOON_AFTER: Duration = Duration::from_secs(10 * 60);
/// Primary windows are an hour at most.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests;
