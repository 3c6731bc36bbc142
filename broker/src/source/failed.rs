//! For how long a place that failed is left alone.

use std::time::Duration;

use super::SourceError;
use super::fetched::Nature;
use crate::clock::Now;
use crate::policy::SourceSpec;

/// What came of asking a place, the last time.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) error: SourceError,
    /// Boot time.
    until: Duration,
    /// In a row.
    times: u32,
}

impl Failed {
    /// It failed, after what it came to before.
    pub(super) fn again(
        before: Option<&Self>,
        source: &SourceSpec,
        error: SourceError,
        now: Now,
    ) -> Self {
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        let until = now.boot + pause(source, error.nature(), times);
        Self {
            error,
            until,
            times,
        }
    }

    /// Whether it is left alone now.
    pub(super) fn holds(&self, now: Now) -> bool {
        self.until > now.boot
    }

    /// For whoever asks while it is left alone.
    pub(super) fn not_yet(&self, now: Now) -> SourceError {
        let left = self.until.saturating_sub(now.boot);
        SourceError::NotYet {
            cause: Box::new(self.error.clone()),
            again_in: Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        }
    }
}

/// How long a place that failed is left alone. The keyring costs nobody a limited request.
fn pause(source: &SourceSpec, nature: Nature, times: u32) -> Duration {
    let (first, most) = match nature {
        // The longest that 1Password counts over is a day; whoever says more is not believed.
        Nature::Limited(Some(told)) => {
            return told.clamp(Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
        }
        _ if !source.is_1password() => (1, 30),
        Nature::Limited(None) => (600, 3600),
        Nature::Down => (5, 120),
        Nature::Refused => (30, 600),
    };
    let doubled = 1 << times.saturating_sub(1).min(10);
    Duration::from_secs((first * doubled).min(most))
}
