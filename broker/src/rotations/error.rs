//! Why a rotation did not go on. What a step that failed at GitHub says is in the rotation's state.

use broker_github::GitHubError;
use broker_github::app_jwt::KeyError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;
use broker_vault::rotation_state::NotNow;

use crate::api_error::{Answer, ApiError};
use crate::secrets::UpkeepError;

/// Why a rotation did not begin, go on or go back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error("no policy declares a secret `{0}`")]
    Undeclared(SecretName),
    #[error("the value of `{name}` comes from {from}, so it is changed there")]
    Elsewhere { name: SecretName, from: String },
    #[error("there is no rotation of `{0}`; begin one with `tokenctl rotate {0}`")]
    NoRotation(SecretName),
    #[error(
        "a rotation of `{0}` to another value is under way; finish it with `tokenctl rotate {0}`, or undo it with `--rollback`"
    )]
    UnderWay(SecretName),
    /// The new value is not enough. Nothing was changed.
    #[error("the new value of `{name}` was rejected: {}", .why.join("; "))]
    Rejected {
        name: SecretName,
        /// Everything that is wrong with it.
        why: Vec<String>,
    },
    #[error("the rotation of `{name}` cannot do that: {why}")]
    NotNow { name: SecretName, why: NotNow },
    /// GitHub refused, or could not be asked. Nothing was changed.
    #[error("{doing}: {source}")]
    GitHub {
        doing: &'static str,
        #[source]
        source: GitHubError,
    },
    #[error("the private key of `{name}`: {source}")]
    Key {
        name: SecretName,
        #[source]
        source: KeyError,
    },
    /// GitHub accepted the new value at first. Kept in the rotation's state; no request is answered with it.
    #[error("GitHub refuses the new value now (401); undo the rotation with `--rollback`")]
    NewValueRefused,
    /// The vault, the audit log, or the lock.
    #[error(transparent)]
    Upkeep(UpkeepError),
}

impl<E: Into<UpkeepError>> From<E> for RotationError {
    fn from(error: E) -> Self {
        Self::Upkeep(error.into())
    }
}

impl RotationError {
    /// The refusal behind it, if GitHub was asked.
    pub(crate) const fn github(&self) -> Option<&GitHubError> {
        match self {
            Self::GitHub { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for RotationError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Upkeep(error) => return error.answer(),
            Self::GitHub { source, .. } => return source.answer(),
            Self::Undeclared(_) | Self::NoRotation(_) => ErrorCode::NotFound,
            Self::Elsewhere { .. }
            | Self::UnderWay(_)
            | Self::Rejected { .. }
            | Self::NotNow { .. }
            | Self::NewValueRefused
            | Self::Key { .. } => ErrorCode::Conflict,
        };
        code.into()
    }
}
