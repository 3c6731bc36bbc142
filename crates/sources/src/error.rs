//! Why a source gave no value, and what that says of the values known from before.

use std::time::Duration;

use broker_protocol::value_form::Unfit;

use super::fetched::Nature;
use super::keyring::KeyringError;
use super::one_password::{OnePasswordError, Part};

/// Why a source gave no value. For operators, and never with any of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The broker was started without it.
    #[error(
        "environment variable {0} was not set when tokend started; set it for tokend and restart"
    )]
    Unset(String),
    /// It cannot be a value.
    #[error("environment variable {0} {1}; set it to the value alone and restart tokend")]
    Unfit(String, Unfit),
    /// No memory for it.
    #[error("no memory to keep the value of {0}")]
    NoMemory(String),
    /// The file is not there, cannot be read, or is open to others: with the mend where there is one.
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
        fault: Unfit,
    },
    /// The keyring did not give it.
    #[error("{0}")]
    Keyring(#[source] KeyringError),
    /// 1Password did not give it.
    #[error("{place}: {cause}")]
    OnePassword {
        /// The reference.
        place: Box<str>,
        /// Why not.
        cause: OnePasswordError,
    },
    /// What 1Password was asked is as much as it may be asked.
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
    /// What is shown to 1Password could not be had.
    #[error("1Password is not asked, for want of a token to show it: {0}")]
    NoToken(Box<str>),
    /// It failed a short while ago, and is not asked again yet.
    #[error("{cause}; it is asked again in {} s", .again_in.as_secs())]
    NotYet {
        /// Why it failed.
        cause: Box<Self>,
        /// When it is asked again, in whole seconds rounded up.
        again_in: Duration,
    },
    /// Nothing was asked or kept: the store is locked, or reading failed within the broker, which then
    /// traces why.
    #[error(
        "the value could not be had just now; ask again, and run `tokenctl unlock` if the store is locked"
    )]
    NotHere,
}

impl SourceError {
    /// What it says of values known from before.
    #[must_use]
    pub fn nature(&self) -> Nature {
        match self {
            Self::Keyring(cause) => cause.nature(),
            Self::OnePassword { cause, .. } => cause.nature(),
            Self::Budget { again_in, .. } => Nature::Limited(Some(*again_in)),
            Self::NotYet { cause, .. } => cause.nature(),
            Self::NoMemory(_) | Self::NotHere | Self::NoToken(_) => Nature::Down,
            Self::Unset(_)
            | Self::Unfit(..)
            | Self::File(_)
            | Self::NoFile(_)
            | Self::NotAValue { .. } => Nature::Refused,
        }
    }

    /// Whether the place answered that it holds nothing of this name, or something empty.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Unset(_) | Self::NoFile(_) => true,
            Self::NotAValue { fault, .. } => *fault == Unfit::Empty,
            Self::Keyring(cause) => matches!(cause, KeyringError::NoEntry(_)),
            Self::OnePassword { cause, .. } => matches!(
                cause,
                OnePasswordError::NoSuch(Part::Item | Part::Field)
                    | OnePasswordError::NotAValue(Unfit::Empty)
            ),
            Self::NotYet { cause, .. } => cause.is_absence(),
            Self::Unfit(..)
            | Self::NoMemory(_)
            | Self::File(_)
            | Self::Budget { .. }
            | Self::NoToken(_)
            | Self::NotHere => false,
        }
    }

    /// Without when it is asked again by itself: for a person who may ask at once.
    #[must_use]
    pub fn itself(self) -> Self {
        match self {
            Self::NotYet { cause, .. } => cause.itself(),
            error => error,
        }
    }

    /// When to ask again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotYet { again_in, .. } => Some(*again_in),
            _ => None,
        }
    }
}
