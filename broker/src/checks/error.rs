//! Why a secret was not checked.

use broker_github::GitHubError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;

use crate::api_error::{Answer, ApiError};
use crate::secrets::UpkeepError;

/// Why a secret was not checked. None of these says anything about the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("no policy file declares `{0}`, so there is nothing to compare it with")]
    NotDeclared(SecretName),
    #[error("`{0}` has no value; run `tokenctl secret set {0}`")]
    Missing(SecretName),
    /// The value could not be opened.
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
    /// GitHub failed. Recorded, and shown beside what the check before it found.
    #[error("`{secret}` was not checked: {cause}")]
    GitHub {
        secret: SecretName,
        cause: GitHubError,
    },
    /// What was found could not be written as JSON: a fault of the broker's own.
    #[error("what was found could not be written down")]
    Unwritable(#[from] serde_json::Error),
    /// A thread panicked: a fault of the broker's own.
    #[error("the check was not finished")]
    Broken(#[source] tokio::task::JoinError),
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for CheckError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Upkeep(error) => return error.answer(),
            Self::GitHub { cause, .. } => return cause.answer(),
            Self::NotDeclared(_) => ErrorCode::NotFound,
            Self::Missing(_) => ErrorCode::SecretMissing,
            Self::Unwritable(_) | Self::Broken(_) => ErrorCode::Internal,
        };
        code.into()
    }
}
