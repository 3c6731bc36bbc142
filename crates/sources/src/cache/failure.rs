//! How long a place is left alone after it failed.
//!
//! What fails must not use up a day's requests: the pauses of a place whose failures spend limited requests
//! grow longer than those of one whose failures cost nothing ([`Source::backoff`](crate::Source::backoff)).

use std::time::Duration;

use broker_clock::{Backoff, Now};

use crate::{FailureKind, SourceError};

/// The last failure of a place.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) error: SourceError,
    /// Boot time until which it is left alone.
    until: Duration,
    /// Failures in a row.
    count: u32,
    /// Those of them that spent limited requests.
    spent: u32,
}

impl Failure {
    /// A failure after those `before`.
    pub(super) fn after(
        before: Option<&Self>,
        error: SourceError,
        spent: bool,
        pauses: Backoff,
        now: Now,
    ) -> Self {
        let (count, spent_before) = before.map_or((0, 0), |before| (before.count, before.spent));
        let pause = match error.kind() {
            // The longest that 1Password counts over is a day; a longer pause is not believed.
            FailureKind::Limited(Some(pause)) => pause.clamp(A_SECOND, A_DAY),
            _ => pauses.pause(if spent { spent_before } else { count }),
        };
        Self {
            error,
            until: now.boot + pause,
            count: count.saturating_add(1),
            spent: spent_before.saturating_add(spent.into()),
        }
    }

    /// Whether the place is left alone now.
    pub(super) fn holds(&self, now: Now) -> bool {
        self.until > now.boot
    }

    /// Whether it still says anything: a limit is over when its pause is.
    pub(super) fn counts(&self, now: Now) -> bool {
        self.holds(now) || !matches!(self.error.kind(), FailureKind::Limited(_))
    }

    /// The error of a reading while the place is left alone.
    pub(super) fn not_yet(&self, now: Now) -> SourceError {
        let left = self.until.saturating_sub(now.boot);
        SourceError::NotYet {
            cause: Box::new(self.error.clone()),
            again_in: Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        }
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
