//! 1Password while it cannot be reached: whether it answers is asked first, which uses none of its requests.
//!
//! So an outage uses up next to nothing, and its end is noticed soon. That question may fail where values
//! can be read. Therefore a value is read now and then all the same, and while that works, the answer to
//! the question is ignored.

use std::time::Duration;

use broker_clock::Now;

/// What is known of an outage. Times are boot times.
#[derive(Default)]
pub(super) struct Outage {
    /// When it could not be reached last.
    failed: Option<Duration>,
    /// When a value was asked for although 1Password did not answer.
    tried: Option<Duration>,
    /// A value was read although it did not answer.
    misled: bool,
}

impl Outage {
    /// Whether it could not be reached lately.
    pub(super) fn is_likely(&self, now: Now) -> bool {
        let lately = |failed| now.boot.saturating_sub(failed) < LATELY;
        self.failed.is_some_and(lately)
    }

    pub(super) const fn failed(&mut self, now: Now) {
        self.failed = Some(now.boot);
    }

    pub(super) const fn ended(&mut self) {
        self.failed = None;
    }

    /// Whether to ask for a value although 1Password does not answer.
    pub(super) fn may_try(&mut self, now: Now) -> bool {
        let long_ago = |tried| now.boot.saturating_sub(tried) >= BETWEEN;
        if self.misled || self.tried.is_none_or(long_ago) {
            self.tried = Some(now.boot);
            return true;
        }
        false
    }

    /// Notes the result of asking all the same.
    pub(super) const fn tried(&mut self, gave_one: bool) {
        self.misled = gave_one;
    }
}

/// The longest pause after a failure, and as long again.
const LATELY: Duration = Duration::from_secs(30 * 60);

/// For all references together.
const BETWEEN: Duration = Duration::from_secs(15 * 60);
