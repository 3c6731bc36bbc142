//! For how long a place that failed is left alone.
//!
//! Nobody's day is to be used up by what fails: a question that spent requests of 1Password's is asked
//! again after ever longer, in the end four times an hour. One that cost nothing is asked sooner.

use std::time::Duration;

use broker_clock::{Backoff, Now};
use broker_policy::SourceSpec;

use super::SourceError;
use super::fetched::Nature;

/// What came of asking a place, the last time.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) error: SourceError,
    /// Boot time.
    until: Duration,
    /// In a row.
    times: u32,
    /// Those of them that spent requests on a place which answers otherwise.
    spent: u32,
}

impl Failed {
    /// It failed, after what it came to before. `spent`: on requests, and the place answers otherwise.
    pub(super) fn again(
        before: Option<&Self>,
        source: &SourceSpec,
        error: SourceError,
        spent: bool,
        now: Now,
    ) -> Self {
        let before = before.map_or((0, 0), |before| (before.times, before.spent));
        let mut failed = Self {
            error,
            until: now.boot,
            times: before.0.saturating_add(1),
            spent: before.1.saturating_add(spent.into()),
        };
        failed.until += failed.pause(source, spent);
        failed
    }

    /// Whether it is left alone now.
    pub(super) fn holds(&self, now: Now) -> bool {
        self.until > now.boot
    }

    /// Whether it says anything still: a limit says itself when it is over.
    pub(super) fn counts(&self, now: Now) -> bool {
        self.holds(now) || !matches!(self.error.nature(), Nature::Limited(_))
    }

    /// Whether it was down, and was left alone for that a quarter of an hour ago or less.
    pub(super) fn was_down_lately(&self, now: Now) -> bool {
        self.error.nature() == Nature::Down && now.boot < self.until + LATELY
    }

    /// For whoever asks while it is left alone.
    pub(super) fn not_yet(&self, now: Now) -> SourceError {
        let left = self.until.saturating_sub(now.boot);
        SourceError::NotYet {
            cause: Box::new(self.error.clone()),
            again_in: Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        }
    }
    /// How long it is left alone. The keyring costs nobody a limited request.
    fn pause(&self, source: &SourceSpec, spent: bool) -> Duration {
        let (first, most) = match self.error.nature() {
            // The longest that 1Password counts over is a day; whoever says more is not believed.
            Nature::Limited(Some(told)) => {
                return told.clamp(Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
            }
            _ if !source.is_1password() => (1, 30),
            Nature::Limited(None) => (600, 3600),
            Nature::Down if spent => (5, 900),
            Nature::Down => (5, 120),
            Nature::Refused if spent => (30, 900),
            Nature::Refused => (30, 600),
        };
        let times = if spent { self.spent } else { self.times };
        let pauses = Backoff {
            first: Duration::from_secs(first),
            cap: Duration::from_secs(most),
        };
        pauses.pause(times.saturating_sub(1))
    }
}

const LATELY: Duration = Duration::from_secs(15 * 60);
