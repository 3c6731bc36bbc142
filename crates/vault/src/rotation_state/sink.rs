//! What is known of one sink, and when it is tried again.

use std::time::Duration;

use broker_clock::Moment;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BETWEEN_ATTEMPTS, LONGEST_WAIT};

/// What is known of one sink: where else a value is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkState {
    /// The version that it holds, as far as its own date proves; `None` before the first success.
    pub version: Option<u64>,
    /// When that was written, by this machine's clock.
    pub pushed_at: Option<Timestamp>,
    /// When GitHub says it was updated.
    pub updated_at: Option<Timestamp>,
    /// How often writing to it has failed in a row.
    pub attempts: u32,
    /// When it may be tried again without being asked for.
    pub next_at: Moment,
    /// Why it failed last.
    pub failure: Option<String>,
}

impl SinkState {
    /// A sink that nothing was written to yet.
    #[must_use]
    pub fn untouched(now: &Moment) -> Self {
        Self {
            version: None,
            pushed_at: None,
            updated_at: None,
            attempts: 0,
            next_at: now.clone(),
            failure: None,
        }
    }

    /// It holds this version.
    #[must_use]
    pub fn pushed(version: u64, updated_at: Timestamp, now: &Moment) -> Self {
        Self {
            version: Some(version),
            pushed_at: Some(now.wall()),
            updated_at: Some(updated_at),
            ..Self::untouched(now)
        }
    }

    /// It could not be written to, or may have been and that is not known.
    #[must_use]
    pub fn failed(&self, why: &str, retry_after: Option<Duration>, now: &Moment) -> Self {
        let wait = BETWEEN_ATTEMPTS.pause(self.attempts);
        let wait = wait.max(retry_after.unwrap_or_default());
        Self {
            attempts: self.attempts.saturating_add(1),
            next_at: now.after(wait),
            failure: Some(why.to_owned()),
            ..self.clone()
        }
    }

    /// Whether it failed, and the wait before the next attempt is over.
    #[must_use]
    pub fn is_awake(&self, now: &Moment) -> bool {
        self.attempts > 0 && self.next_at.is_over(now, LONGEST_WAIT)
    }
}
