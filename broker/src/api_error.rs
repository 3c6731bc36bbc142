//! What a caller is told of an error besides its text.
//!
//! Each error that reaches a caller implements [`ApiError`] where it is defined, with one `match`
//! without `_` for each method: a new variant does not compile until someone has decided. Those of other
//! crates stand here.
#![warn(clippy::wildcard_enum_match_arm)]

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use broker_github::GitHubError;
use broker_protocol::error::ErrorCode;
use broker_vault::RekeyError;
use broker_vault::root_key::RootKeyError;

/// An error as it is answered. Its `Display` is the detail.
pub trait ApiError: Error {
    /// The stable word that programs match on.
    fn code(&self) -> ErrorCode;

    /// How long to wait before asking again, where waiting may help.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// What to do about it, where one thing helps.
    fn hint(&self) -> Option<Cow<'static, str>> {
        None
    }
}

impl ApiError for GitHubError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Limited { .. } => ErrorCode::RateLimited,
            Self::Fault { .. }
            | Self::Unreachable { .. }
            | Self::NotTried { .. }
            | Self::BadAnswer { .. }
            | Self::CannotAsk(_) => ErrorCode::UpstreamUnavailable,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::SingleSignOn { .. }
            | Self::NotFound { .. }
            | Self::Unprocessable { .. }
            | Self::ApiVersion { .. }
            | Self::Refused { .. }
            | Self::Moved { .. }
            | Self::Unsendable => ErrorCode::UpstreamRefused,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }
}

impl ApiError for RekeyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnderWay | Self::SameKey(_) | Self::FileThere(_) => ErrorCode::Conflict,
            Self::NeedsNewPassphrase
            | Self::NoUseForPassphrase
            | Self::RootKey(
                RootKeyError::WrongPassphrase
                | RootKeyError::ShortPassphrase
                | RootKeyError::ControlCharacter(_),
            ) => ErrorCode::BadRequest,
            Self::RootKey(_) => ErrorCode::SourceUnavailable,
            Self::Vault(_) => ErrorCode::Internal,
        }
    }
}
