//! Why a source gave no value, and what that says about the value that was read before.

use std::time::Duration;

use broker_protocol::value_form::BadValue;

use super::FailureKind;
use super::keyring::KeyringError;
use super::one_password::{OnePasswordError, Part};

/// Why a source gave no value. For operators, and never with any of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The variable was not set when tokend started.
    #[error(
        "environment variable {0} was not set when tokend started; set it for tokend and restart"
    )]
    Unset(String),
    /// The variable's text cannot be a value.
    #[error("environment variable {0} {1}; set it to the value alone and restart tokend")]
    BadValue(String, BadValue),
    /// The file is not there, cannot be read, or is open to others: with the fix where there is one.
    #[error("{0}")]
    File(Box<str>),
    /// There is no such file.
    #[error("{0}")]
    NoFile(Box<str>),
    /// What is there cannot be a value.
    #[error("{place} {fault}; put the value there, alone")]
    NotAValue {
        /// Where.
        place: Box<str>,
        /// What is wrong with it.
        fault: BadValue,
    },
    /// The keyring did not give it.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// 1Password did not give it.
    #[error("{place}: {cause}")]
    OnePassword {
        /// The reference.
        place: Box<str>,
        /// Why not.
        cause: OnePasswordError,
    },
    /// 1Password was asked as often as it may be.
    #[error(
        "1Password was asked {asked} times in {hours} h, and tokend allows itself {allowed}, half of what the \
         plan gives; raise `[sources] ttl`, or set `[onepassword] plan`"
    )]
    Budget {
        /// Requests within the hours.
        asked: u32,
        /// How many there may be.
        allowed: u32,
        /// 1 or 24.
        hours: u32,
        /// When there may be more, from now.
        again_in: Duration,
    },
    /// The token to present to 1Password could not be opened.
    #[error("1Password is not asked, because there is no token to present to it: {0}")]
    NoToken(Box<str>),
    /// It failed a short while ago, and is left alone still.
    #[error("{cause}; the next attempt is in {} s", .again_in.as_secs())]
    NotYet {
        /// Why it failed.
        cause: Box<Self>,
        /// Until the next attempt, in whole seconds rounded up.
        again_in: Duration,
    },
    /// This broker reads and writes no place but its vault, for this reason.
    #[error("{0}")]
    NoPlaces(&'static str),
    /// Nothing was read or cached: the store is locked, or the broker itself failed, and then traced why.
    #[error(
        "the value could not be read just now; try again, and run `tokenctl unlock` if the store is locked"
    )]
    NotHere,
}

impl SourceError {
    /// What it says about the value that was read before.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Keyring(cause) => cause.kind(),
            Self::OnePassword { cause, .. } => cause.kind(),
            Self::Budget { again_in, .. } => FailureKind::Limited(Some(*again_in)),
            Self::NotYet { cause, .. } => cause.kind(),
            Self::NotHere | Self::NoToken(_) => FailureKind::Unavailable,
            Self::NoPlaces(_)
            | Self::Unset(_)
            | Self::BadValue(..)
            | Self::File(_)
            | Self::NoFile(_)
            | Self::NotAValue { .. } => FailureKind::Refused,
        }
    }

    /// Whether the place answered that it holds nothing of this name, or something empty.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Unset(_) | Self::NoFile(_) => true,
            Self::NotAValue { fault, .. } => *fault == BadValue::Empty,
            Self::Keyring(cause) => matches!(cause, KeyringError::NoEntry(_)),
            Self::OnePassword { cause, .. } => matches!(
                cause,
                OnePasswordError::NoSuch(Part::Item | Part::Field)
                    | OnePasswordError::NotAValue(BadValue::Empty)
            ),
            Self::NotYet { cause, .. } => cause.is_absent(),
            Self::BadValue(..)
            | Self::File(_)
            | Self::Budget { .. }
            | Self::NoToken(_)
            | Self::NoPlaces(_)
            | Self::NotHere => false,
        }
    }

    /// The failure itself, without the pause: for an operator, who may try again at once.
    #[must_use]
    pub fn without_pause(self) -> Self {
        match self {
            Self::NotYet { cause, .. } => cause.without_pause(),
            error => error,
        }
    }

    /// How long to wait before another attempt, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotYet { again_in, .. } => Some(*again_in),
            _ => None,
        }
    }
}
