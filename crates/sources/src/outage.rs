//! 1Password while it is down: whether it answers is asked first, which costs none of its requests.
//!
//! So an outage spends next to nothing, and its end is noticed soon. That question may fail where values
//! could be had. Therefore one is asked for all the same now and then, and while that gives
//! it, the question is not believed.

use std::time::Duration;

use broker_clock::Now;

/// What is known of an outage.
#[derive(Default)]
pub(super) struct Outage {
    /// Boot time, when a value was asked for although 1Password did not answer.
    tried: Option<Duration>,
    /// A value was had although it did not answer.
    misled: bool,
}

impl Outage {
    /// Whether to ask for a value although 1Password does not answer.
    pub(super) fn may_try(&mut self, now: Now) -> bool {
        let long_ago = |tried| now.boot.saturating_sub(tried) >= BETWEEN;
        if self.misled || self.tried.is_none_or(long_ago) {
            self.tried = Some(now.boot);
            return true;
        }
        false
    }

    /// What came of that.
    pub(super) const fn tried(&mut self, gave_one: bool) {
        self.misled = gave_one;
    }
}

/// Of all references together.
const BETWEEN: Duration = Duration::from_secs(15 * 60);
