//! What is tried again, and after how long: pure.

use std::time::Duration;

use broker_clock::Backoff;
use broker_https::BodyError;

use super::error::{BadAnswer, GitHubError, Outcome};

/// Whether a call may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Doing it twice is as good as once: GET, DELETE, PUT of the same.
    Repeatable,
    /// Only if it surely did not arrive.
    Once,
}

/// How long to wait before another attempt; `None` if there is to be none.
///
/// `made` attempts were made, at least one, and `since` has passed since the first began. `jitter` is
/// anything: its spread keeps callers that failed together from coming back together.
pub(super) fn pause(
    retry: Retry,
    error: &GitHubError,
    made: u32,
    since: Duration,
    jitter: u8,
) -> Option<Duration> {
    if made >= ATTEMPTS || since >= PATIENCE {
        return None;
    }
    let surely_not_done = error.outcome() == Outcome::NotDone;
    let told = match error {
        GitHubError::Unreachable(_) => None,
        GitHubError::Fault {
            retry_after,
            status,
        } if *status != 501 => *retry_after,
        // The limit says when; a moment's wait is worth it, and it surely was not carried out.
        GitHubError::Limited { retry_after, .. } => Some(*retry_after),
        // Read-only calls again; of anything else GitHub has said that it is done.
        GitHubError::BadAnswer {
            what: BadAnswer::BodyError(BodyError::Truncated),
            ..
        } => None,
        _ => return None,
    };
    if retry == Retry::Once && !surely_not_done {
        return None;
    }
    if told.is_some_and(|told| told > LONGEST_WAIT) {
        return None;
    }
    let grown = WAITS.pause(2 * (made - 1));
    let spread = grown.saturating_mul(u32::from(jitter)) / (2 * u32::from(u8::MAX));
    let own = grown.saturating_sub(spread);
    Some(told.map_or(own, |told| told.max(own)))
}

const ATTEMPTS: u32 = 3;
/// Doubled twice between attempts: 250 ms, then 1 s, each shortened by up to a half.
const WAITS: Backoff = Backoff {
    first: Duration::from_millis(250),
    cap: LONGEST_WAIT,
};
/// Longer than this is not slept: the caller is told, and decides.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// No attempt begins later than this after the first: a caller waits.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use broker_https::{NotReached, Unreachable};

    use super::*;
    use crate::error::{LimitKind, Said};

    fn lost(may_have_happened: bool) -> GitHubError {
        GitHubError::Unreachable(NotReached {
            why: Unreachable::Lost,
            may_have_happened,
            cause: "".into(),
        })
    }

    fn fault(retry_after: Option<u64>) -> GitHubError {
        GitHubError::Fault {
            status: 502,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn limited(seconds: u64) -> GitHubError {
        GitHubError::Limited {
            kind: LimitKind::Secondary,
            principal: None,
            retry_after: Duration::from_secs(seconds),
        }
    }

    fn wait(retry: Retry, error: &GitHubError, made: u32) -> Option<u128> {
        pause(retry, error, made, Duration::ZERO, 0).map(|wait| wait.as_millis())
    }

    #[test]
    fn three_attempts_with_growing_pauses() {
        for error in [lost(true), lost(false), fault(None)] {
            assert_eq!(wait(Retry::Repeatable, &error, 1), Some(250));
            assert_eq!(wait(Retry::Repeatable, &error, 2), Some(1000));
            assert_eq!(wait(Retry::Repeatable, &error, 3), None);
        }
    }

    #[test]
    fn what_must_not_happen_twice_is_repeated_only_if_it_surely_did_not_happen() {
        assert_eq!(wait(Retry::Once, &lost(false), 1), Some(250));
        assert_eq!(wait(Retry::Once, &lost(true), 1), None);
        assert_eq!(wait(Retry::Once, &fault(None), 1), None);
        assert_eq!(wait(Retry::Once, &limited(1), 1), Some(1000));
        let cut = GitHubError::BadAnswer {
            status: 201,
            what: BodyError::Truncated.into(),
        };
        assert_eq!(wait(Retry::Once, &cut, 1), None);
        assert_eq!(wait(Retry::Repeatable, &cut, 1), Some(250));
    }

    #[test]
    fn refusals_are_never_repeated() {
        let message = Said::default;
        for error in [
            GitHubError::Unauthorized {
                message: message(),
                date: None,
            },
            GitHubError::Forbidden {
                message: message(),
                accepted: None,
            },
            GitHubError::Unsendable,
            GitHubError::NotFound { message: message() },
            GitHubError::Unprocessable { message: message() },
            GitHubError::Moved {
                status: 301,
                to: None,
            },
        ] {
            assert_eq!(wait(Retry::Repeatable, &error, 1), None, "{error}");
        }
    }

    #[test]
    fn a_told_wait_is_kept_and_a_long_one_is_returned() {
        assert_eq!(wait(Retry::Repeatable, &fault(Some(2)), 1), Some(2000));
        assert_eq!(wait(Retry::Repeatable, &fault(Some(4)), 1), None);
        assert_eq!(wait(Retry::Repeatable, &limited(60), 1), None);
    }

    #[test]
    fn jitter_shortens_by_up_to_a_half_and_patience_ends() {
        let early = pause(Retry::Repeatable, &lost(true), 1, Duration::ZERO, u8::MAX);
        assert_eq!(early, Some(Duration::from_millis(125)));
        assert_eq!(pause(Retry::Repeatable, &lost(true), 1, PATIENCE, 0), None);
    }
}
