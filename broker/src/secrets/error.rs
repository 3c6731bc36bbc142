//! Why a change of secrets, of the lock or of policies was not made.

use broker_audit_writer::AuditLogError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::{RepoPattern, SecretName};
use broker_protocol::value_form::BadValue;
use broker_sources::SourceError;
use broker_vault::backup::BackupError;
use broker_vault::root_key::RootKeyError;
use broker_vault::{RekeyError, VaultError};

use crate::api_error::{Answer, ApiError};
use crate::policies::LoadError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    #[error("the store is locked; run `tokenctl unlock` first")]
    Locked,
    #[error("the audit log cannot be written, so nothing was changed")]
    NotRecorded(#[from] AuditLogError),
    #[error("this is no value for `{name}`: {why}; nothing was changed ({declared})")]
    AnotherKind {
        name: SecretName,
        /// What it is instead, or is not.
        why: String,
        /// Where what is declared, and how that is changed.
        declared: String,
    },
    #[error(
        "the value of `{name}` {unfit}; store it alone with `tokenctl secret set {name}` first"
    )]
    Malformed {
        name: SecretName,
        /// What is wrong with it, and where.
        unfit: BadValue,
    },
    #[error(
        "the vault holds no value of `{0}` before the one in use: it is the first, or a rotation erased those before it"
    )]
    NothingBefore(SecretName),
    #[error("the vault holds no value for `{0}`")]
    NotFound(SecretName),
    #[error("no id is kept for `{0}`: its name was never pinned, or is not any more")]
    NotPinned(RepoPattern),
    #[error(
        "a rotation of `{0}` is under way; finish it with `tokenctl rotate {0}`, or undo it with `--rollback`, first"
    )]
    Rotating(SecretName),
    #[error(
        "a move of `{0}` out of the vault is under way; go on with it, or undo it with `tokenctl secret move {0} --back`, first"
    )]
    Moving(SecretName),
    /// The place the value comes from did not give it.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The vault could not carry the change out. A record says so.
    #[error("the vault could not carry this out: {0}")]
    Vault(#[source] VaultError),
    /// The root key could not be had, or does not fit.
    #[error("{0}")]
    Unlock(#[source] RootKeyError),
    /// The passphrase or key is not this vault's.
    #[error("{0}")]
    WrongKey(#[source] VaultError),
    #[error("{0}")]
    Rekey(#[source] RekeyError),
    #[error("the policies were refused, and those in force stay in force:\n{0}")]
    Policies(#[source] LoadError),
    /// The passphrase for a backup is refused, or no key could be made of it.
    #[error("{0}")]
    Passphrase(#[source] RootKeyError),
    #[error(
        "the policies on disk are not those in force, and a backup holds those; run `tokenctl policy reload` first"
    )]
    NotInForce,
    #[error("the configuration cannot be read: {0}")]
    Configuration(#[source] std::io::Error),
    #[error("{0}")]
    Backup(#[source] BackupError),
    /// The reading of something panicked: a fault of the broker's own.
    #[error("{0} could not be read; what was in force stays so")]
    Broken(&'static str, #[source] tokio::task::JoinError),
}

impl From<VaultError> for UpkeepError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            error => Self::Vault(error),
        }
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for UpkeepError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Source(source) => {
                return Answer::from(ErrorCode::SourceUnavailable)
                    .with_retry_after(source.retry_after());
            }
            Self::NotRecorded(cause) => {
                return Answer::from(ErrorCode::AuditUnavailable).with_hint(cause.to_string());
            }
            Self::NotPinned(_) => {
                return Answer::from(ErrorCode::NotFound)
                    .with_hint("`tokenctl repository list` shows those that are kept");
            }
            Self::Rekey(error) => return error.answer(),
            Self::Locked | Self::WrongKey(_) | Self::Unlock(_) => ErrorCode::Locked,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::AnotherKind { .. } | Self::Policies(_) | Self::Passphrase(_) => {
                ErrorCode::BadRequest
            }
            Self::Rotating(_)
            | Self::Moving(_)
            | Self::Malformed { .. }
            | Self::NothingBefore(_)
            | Self::NotInForce => ErrorCode::Conflict,
            Self::Backup(_) | Self::Configuration(_) | Self::Vault(_) | Self::Broken(..) => {
                ErrorCode::Internal
            }
        };
        code.into()
    }
}
