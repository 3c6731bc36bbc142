//! The state of a rotation, and what is due next: pure, with time as an argument. Waits go by boot time
//! within a boot, over restarts of the broker too.
//!
//! ```text
//!  value ─checked→ swapped ─sinks, live call→ verified ─confirmed→ revoking ─GitHub says 401→ finished
//!                     └─────────────┬────────────┘
//!                               rolled back: the old value is in use again, as a new version
//! ```
//!
//! Nothing is durable before the swap: until then a candidate lives in memory alone. From there on the
//! state is written with the change it belongs to, so a broker that is killed goes on where it was. Each
//! step may be done twice; doing it again ends in the same place.
//!
//! Reversible until `revoking`: what GitHub has revoked stays revoked.
//!
//! Not here: values, GitHub, the vault, records (`rotations`).

mod due;
mod sink;

use std::time::Duration;

use broker_clock::{Backoff, Moment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::due::{Due, EndedBy};
pub use self::sink::SinkState;

/// One rotation of one secret, from the swap on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How far it is.
    pub phase: Phase,
    /// The version that was in use before; `None` if there was no value.
    pub old: Option<Version>,
    /// The version that is in use since the swap.
    pub new: Version,
    /// The version under which the old value came back, once rolled back.
    pub back: Option<u64>,
    /// When the swap was.
    pub begun_at: Timestamp,
    /// When it ended, either way.
    pub ended_at: Option<Timestamp>,
    /// Whether GitHub refuses the old value already, without the broker's doing.
    pub old_is_dead: bool,
    /// When the old value may be ended; `None` until someone says so.
    pub revoke_at: Option<Moment>,
    /// Whether GitHub was asked to end the old value.
    pub asked: bool,
    /// Whether GitHub refused that for good: then an operator revokes it.
    #[serde(default)]
    pub refused: bool,
    /// How often the step that is due has failed in a row.
    pub attempts: u32,
    /// When the broker goes on by itself. Whoever asks for the next step need not wait for it.
    pub next_at: Moment,
    /// Why the step that is due failed last.
    pub failure: Option<String>,
}

/// A version of a secret and the hash of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// Base64 SHA-256 of the value.
    pub hashed_credential: Box<str>,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The new value is in use here.
    Swapped,
    /// The new value is in every sink and GitHub takes it; the old one still works.
    Verified,
    /// The old value is being ended at GitHub.
    Revoking,
    /// The old value is revoked and erased.
    Finished,
    /// The old value is in use again; sinks may still hold the new one.
    RollingBack,
    /// The old value is in use and in every sink again.
    RolledBack,
}

impl Phase {
    /// The word that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Verified => "verified",
            Self::Revoking => "revoking",
            Self::Finished => "finished",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// Why a rotation cannot take the step that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It has ended.
    #[error("it has ended already")]
    Ended,
    /// It is on its way back.
    #[error("it is being rolled back")]
    GoingBack,
    /// Sinks or the live call come first.
    #[error("the new value is not in every sink and verified yet")]
    NotVerified,
    /// There is nothing to go back to.
    #[error("there was no value before it")]
    NoOldValue,
    /// What GitHub has ended stays ended.
    #[error("the old value has been ended at GitHub, or is about to be; that cannot be undone")]
    TooLate,
}

/// How long the broker leaves the next step to the operator who drives the rotation.
pub const GRACE: Duration = Duration::from_secs(30);
/// The longest wait between two attempts at a step that fails.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// How often the broker looks whether an operator has deleted the old value.
const LOOK_EVERY: Duration = LONGEST_WAIT;

impl Rotation {
    /// The swap.
    #[must_use]
    pub fn begin(old: Option<Version>, new: Version, old_is_dead: bool, now: &Moment) -> Self {
        Self {
            phase: Phase::Swapped,
            old,
            new,
            back: None,
            begun_at: now.wall(),
            ended_at: None,
            old_is_dead,
            revoke_at: None,
            asked: false,
            refused: false,
            attempts: 0,
            next_at: now.after(GRACE),
            failure: None,
        }
    }

    /// Whether it is still under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        !matches!(self.phase, Phase::Finished | Phase::RolledBack)
    }

    /// A part of the step that is due was done.
    #[must_use]
    pub fn went_on(&self, now: &Moment) -> Self {
        self.moved(self.phase, now)
    }

    /// Whether the old value can still come back into use.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        self.may_roll_back().is_ok()
    }

    /// GitHub took the new value.
    #[must_use]
    pub fn verified(&self, now: &Moment) -> Self {
        self.moved(Phase::Verified, now)
    }

    /// Someone said that the old value may be ended at this time.
    ///
    /// # Errors
    ///
    /// [`NotNow`].
    pub fn confirmed(&self, revoke_at: Moment) -> Result<Self, NotNow> {
        match self.phase {
            Phase::Finished | Phase::RolledBack => Err(NotNow::Ended),
            Phase::RollingBack => Err(NotNow::GoingBack),
            // Said in advance, it holds once it is verified; said again, the last word counts.
            Phase::Swapped | Phase::Verified | Phase::Revoking => Ok(Self {
                revoke_at: Some(revoke_at),
                ..self.clone()
            }),
        }
    }

    /// The old value is about to be ended at GitHub.
    ///
    /// # Errors
    ///
    /// [`NotNow`].
    pub fn revoking(&self, now: &Moment) -> Result<Self, NotNow> {
        match self.phase {
            Phase::Verified if self.old.is_some() => Ok(self.moved(Phase::Revoking, now)),
            Phase::Revoking => Ok(self.clone()),
            Phase::Verified => Err(NotNow::NoOldValue),
            Phase::Swapped => Err(NotNow::NotVerified),
            Phase::RollingBack => Err(NotNow::GoingBack),
            Phase::Finished | Phase::RolledBack => Err(NotNow::Ended),
        }
    }

    /// GitHub was asked to end the old value. It says nothing of when; so the first look is soon.
    #[must_use]
    pub fn asked(&self, now: &Moment) -> Self {
        Self {
            asked: true,
            next_at: now.after(BETWEEN_PROOFS.pause(0)),
            ..self.moved(Phase::Revoking, now)
        }
    }

    /// GitHub will not end the old value, however often it is asked: an operator does.
    #[must_use]
    pub fn left_to_an_operator(&self) -> Self {
        Self {
            refused: true,
            ..self.clone()
        }
    }

    /// GitHub still takes the old value.
    #[must_use]
    pub fn still_alive(&self, why: &str, now: &Moment) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let wait = if self.phase == Phase::Revoking && !self.refused {
            BETWEEN_PROOFS.pause(attempts)
        } else {
            LOOK_EVERY
        };
        Self {
            attempts,
            next_at: now.after(wait),
            failure: Some(why.to_owned()),
            // A look without having asked proves that the value came back to life, or never died.
            old_is_dead: false,
            ..self.clone()
        }
    }

    /// The step that is due failed; it is tried again later.
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

    /// The old value is dead, or there was none, and is about to be erased.
    #[must_use]
    pub fn finished(&self, now: &Moment) -> Self {
        Self {
            ended_at: Some(now.wall()),
            ..self.moved(Phase::Finished, now)
        }
    }

    /// Whether the old value may come back into use.
    ///
    /// # Errors
    ///
    /// [`NotNow`].
    pub fn may_roll_back(&self) -> Result<&Version, NotNow> {
        match self.phase {
            Phase::Finished | Phase::RolledBack => Err(NotNow::Ended),
            Phase::RollingBack => Err(NotNow::GoingBack),
            Phase::Revoking => Err(NotNow::TooLate),
            Phase::Swapped | Phase::Verified if self.old_is_dead => Err(NotNow::TooLate),
            Phase::Swapped | Phase::Verified => self.old.as_ref().ok_or(NotNow::NoOldValue),
        }
    }

    /// The old value comes back as this version.
    #[must_use]
    pub fn rolling_back(&self, back: u64, now: &Moment) -> Self {
        Self {
            back: Some(back),
            revoke_at: None,
            ..self.moved(Phase::RollingBack, now)
        }
    }

    /// The old value is everywhere again.
    #[must_use]
    pub fn rolled_back(&self, now: &Moment) -> Self {
        Self {
            ended_at: Some(now.wall()),
            ..self.moved(Phase::RolledBack, now)
        }
    }

    fn moved(&self, phase: Phase, now: &Moment) -> Self {
        Self {
            phase,
            attempts: 0,
            next_at: now.after(GRACE),
            failure: None,
            ..self.clone()
        }
    }
}

/// 15 s, 30 s, 1 min, … up to an hour.
const BETWEEN_ATTEMPTS: Backoff = Backoff {
    first: Duration::from_secs(15),
    cap: LONGEST_WAIT,
};

/// 1 s, 2 s, 4 s, … up to an hour. GitHub ends a token some seconds after it said yes; a look that finds
/// it alive is no failed login, so only the last look of all counts towards the lockout.
const BETWEEN_PROOFS: Backoff = Backoff {
    first: Duration::from_secs(1),
    cap: LONGEST_WAIT,
};

#[cfg(test)]
mod tests;
