//! What comes next in a rotation, for whom, and when.

use broker_clock::Moment;
use jiff::Timestamp;

use super::{LONGEST_WAIT, Phase, Rotation};

/// Who can end a value at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The broker, by the API.
    Broker,
    /// An operator, on GitHub's pages: the key of an App, or a token on Enterprise Server.
    Operator,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Write the value in use to the sinks that do not hold it.
    Push,
    /// Ask GitHub with the stored new value.
    Verify,
    /// An operator says whether the old value may be ended.
    Confirm,
    /// Nothing until then; the old value is ended by the broker itself.
    RevokeAt(Timestamp),
    /// Ask GitHub to end the old value.
    Revoke,
    /// Check that GitHub refuses the old value, and erase it.
    Prove,
    /// An operator deletes the old value on GitHub's pages; then that is seen and it is erased.
    Delete,
    /// Erase what is no longer needed.
    Erase,
    /// Nothing.
    Nothing,
}

impl Due {
    /// Whether the broker does it, once it is time, without an operator.
    #[must_use]
    pub const fn is_for_the_broker(self) -> bool {
        !matches!(self, Self::Confirm | Self::Nothing)
    }
}

impl Rotation {
    /// What is due. `sinks_pending` counts the sinks that do not hold the value in use.
    #[must_use]
    pub fn due(&self, sinks_pending: usize, by: EndedBy, now: &Moment) -> Due {
        match self.phase {
            Phase::Swapped | Phase::Verified | Phase::RollingBack if sinks_pending > 0 => Due::Push,
            Phase::Swapped => Due::Verify,
            Phase::RollingBack => Due::Erase,
            Phase::Verified if self.old.is_none() => Due::Erase,
            Phase::Verified if self.old_is_dead => Due::Prove,
            Phase::Verified => match (by, &self.revoke_at) {
                (EndedBy::Operator, _) => Due::Delete,
                (EndedBy::Broker, None) => Due::Confirm,
                (EndedBy::Broker, Some(at)) if at.is_reached(now) => Due::Revoke,
                (EndedBy::Broker, Some(at)) => Due::RevokeAt(at.seen_from(now)),
            },
            Phase::Revoking if self.refused => Due::Delete,
            Phase::Revoking if self.asked => Due::Prove,
            Phase::Revoking => Due::Revoke,
            Phase::Finished | Phase::RolledBack => Due::Nothing,
        }
    }

    /// When the broker does by itself what is due, by the wall clock as it stands; `None` if it waits for an
    /// operator.
    #[must_use]
    pub fn wakes_at(&self, due: Due, now: &Moment) -> Option<Timestamp> {
        match due {
            Due::RevokeAt(at) => Some(at),
            // Said to the minute, done to the minute.
            Due::Revoke if self.attempts == 0 => {
                let at = self.revoke_at.as_ref().unwrap_or(&self.next_at);
                Some(at.seen_from(now))
            }
            due if due.is_for_the_broker() => Some(self.next_at.seen_from(now)),
            _ => None,
        }
    }

    /// Whether it is time for the broker to do by itself what is due.
    #[must_use]
    pub fn is_awake(&self, due: Due, now: &Moment) -> bool {
        match (due, &self.revoke_at) {
            (Due::RevokeAt(_), _) => false,
            (Due::Revoke, Some(at)) if self.attempts == 0 => at.is_reached(now),
            (due, _) => due.is_for_the_broker() && self.has_waited(now),
        }
    }

    /// Whether the wait before the next attempt is over.
    #[must_use]
    pub fn has_waited(&self, now: &Moment) -> bool {
        self.next_at.is_over(now, LONGEST_WAIT)
    }
}
