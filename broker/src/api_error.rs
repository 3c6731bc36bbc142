//! What a caller is told of an error besides its text.
//!
//! Each error that reaches a caller implements [`ApiError`] where it is defined, with one `match`
//! without `_`: a new variant does not compile until someone has decided. Those of other crates are
//! here.
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
    /// What a caller is told besides the detail.
    fn answer(&self) -> Answer;
}

/// What a caller is told of an error besides its text.
#[derive(Debug)]
pub struct Answer {
    /// The stable word that programs match on.
    pub code: ErrorCode,
    /// How long to wait before asking again, where waiting may help.
    pub retry_after: Option<Duration>,
    /// What to do about it, where one thing helps.
    pub hint: Option<Cow<'static, str>>,
}

impl From<ErrorCode> for Answer {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            retry_after: None,
            hint: None,
        }
    }
}

impl Answer {
    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl ApiError for GitHubError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Limited { .. } => ErrorCode::RateLimited,
            Self::Fault { .. }
            | Self::Unreachable(_)
            | Self::NotTried { .. }
            | Self::BadAnswer { .. }
            | Self::Intercepted { .. }
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
            Self::UnsendablePath | Self::CallerBody(_) => ErrorCode::BadRequest,
        };
        Answer::from(code).with_retry_after(self.retry_after())
    }
}

impl ApiError for RekeyError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::NeedsNewPassphrase
            | Self::NoUseForPassphrase
            | Self::RootKey(RootKeyError::UnfitPassphrase(_)) => ErrorCode::BadRequest,
            Self::RootKey(RootKeyError::WrongPassphrase) => ErrorCode::Locked,
            // The key in force stays, and what is in the way of the next one is on this machine.
            Self::UnderWay
            | Self::SameKey(_)
            | Self::CredentialChanged { .. }
            | Self::FileThere(_)
            | Self::RootKey(_) => ErrorCode::Conflict,
            Self::Vault(_) => ErrorCode::Internal,
        };
        code.into()
    }
}
