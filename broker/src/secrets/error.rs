//! Why a change of secrets, of the lock or of policies was not made.

use std::borrow::Cow;
use std::time::Duration;

use broker_audit_writer::AuditLogError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::{RepoPattern, SecretName};
use broker_protocol::value_form::Unfit;
use broker_sources::SourceError;
use broker_vault::backup::BackupError;
use broker_vault::root_key::RootKeyError;
use broker_vault::{RekeyError, VaultError};

use crate::api_error::ApiError;
use crate::policies::LoadError;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// The store is locked.
    #[error("the store is locked; run `tokenctl unlock` first")]
    Locked,
    /// The change could not be recorded, so it was not made.
    #[error("the audit log cannot be written, so nothing was changed")]
    NotRecorded(#[from] AuditLogError),
    /// The value proves by itself that it is not what the secret is declared to be.
    #[error("this is no value for `{name}`: {why}; nothing was changed ({declared})")]
    AnotherKind {
        /// The secret.
        name: SecretName,
        /// What it is instead, or is not.
        why: String,
        /// Where what is declared.
        declared: String,
    },
    /// What is stored has not the form of a value, and no other place would take it for one.
    #[error(
        "the value of `{name}` {unfit}; store it alone with `tokenctl secret set {name}` first"
    )]
    Malformed {
        /// The secret.
        name: SecretName,
        /// What is wrong with it, and where.
        unfit: Unfit,
    },
    /// There is nothing to go back to.
    #[error(
        "the vault holds no value of `{0}` before the one in use: it is the first, or a rotation erased those before it"
    )]
    NothingBefore(SecretName),
    /// There is no such secret in the vault.
    #[error("the vault holds no value for `{0}`")]
    NotFound(SecretName),
    /// No id is kept for this repository's name.
    #[error("no id is kept for `{0}`: its name was never pinned, or is not any more")]
    NotPinned(RepoPattern),
    /// A rotation of it is under way, and would lose sight of its values.
    #[error(
        "a rotation of `{0}` is under way; finish it with `tokenctl rotate {0}`, or take it back with `--rollback`, first"
    )]
    Rotating(SecretName),
    /// A move of it is under way, and policies would come to name a value that is not in use any more.
    #[error(
        "a move of `{0}` out of the vault is under way; go on with it, or take it back with `tokenctl secret move {0} --back`, first"
    )]
    Moving(SecretName),
    /// The place the value comes from did not give it.
    #[error("{0}")]
    Source(#[source] SourceError),
    /// The vault could not carry the change out. A record says so.
    #[error("the vault could not carry this out: {0}")]
    Vault(#[source] VaultError),
    /// The root key could not be had, or does not fit.
    #[error("{0}")]
    Unlock(#[source] RootKeyError),
    /// The passphrase or key is not this vault's.
    #[error("{0}")]
    WrongKey(#[source] VaultError),
    /// The root key was not changed.
    #[error("{0}")]
    Rekey(#[source] RekeyError),
    /// The new policies are refused; those in force stay in force.
    #[error("the policies were refused, and those in force stay in force:\n{0}")]
    Policies(#[source] LoadError),
    /// The passphrase for a backup is refused, or no key could be made of it.
    #[error("{0}")]
    Passphrase(#[source] RootKeyError),
    /// The files of the policies say something else than what is in force.
    #[error(
        "the policies on disk are not those in force, and a backup holds those; run `tokenctl policy reload` first"
    )]
    NotInForce,
    /// The configuration could not be read again.
    #[error("the configuration cannot be read: {0}")]
    Configuration(#[source] std::io::Error),
    /// No backup could be made.
    #[error("{0}")]
    Backup(#[source] BackupError),
    /// The reading of something panicked: a fault of the broker's own.
    #[error("{0} could not be read; what was in force stays so")]
    Broken(&'static str, #[source] tokio::task::JoinError),
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for UpkeepError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Locked
            | Self::WrongKey(_)
            | Self::Unlock(RootKeyError::WrongPassphrase | RootKeyError::NoPassphrase(_)) => {
                ErrorCode::Locked
            }
            Self::NotRecorded(_) => ErrorCode::AuditUnavailable,
            Self::NotFound(_) | Self::NotPinned(_) => ErrorCode::NotFound,
            Self::AnotherKind { .. } | Self::Policies(_) | Self::Passphrase(_) => {
                ErrorCode::BadRequest
            }
            Self::Rotating(_)
            | Self::Moving(_)
            | Self::Malformed { .. }
            | Self::NothingBefore(_)
            | Self::NotInForce => ErrorCode::Conflict,
            Self::Unlock(_) | Self::Source(_) => ErrorCode::SourceUnavailable,
            Self::Rekey(error) => error.code(),
            Self::Backup(_) | Self::Configuration(_) | Self::Vault(_) | Self::Broken(..) => {
                ErrorCode::Internal
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Source(source) => source.retry_after(),
            Self::Locked
            | Self::WrongKey(_)
            | Self::Unlock(_)
            | Self::NotRecorded(_)
            | Self::NotFound(_)
            | Self::NotPinned(_)
            | Self::AnotherKind { .. }
            | Self::Policies(_)
            | Self::Passphrase(_)
            | Self::Rotating(_)
            | Self::Moving(_)
            | Self::Malformed { .. }
            | Self::NothingBefore(_)
            | Self::NotInForce
            | Self::Rekey(_)
            | Self::Backup(_)
            | Self::Configuration(_)
            | Self::Vault(_)
            | Self::Broken(..) => None,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NotRecorded(cause) => Some(cause.to_string().into()),
            Self::NotPinned(_) => {
                Some("`tokenctl repository list` shows those that are kept".into())
            }
            Self::Locked
            | Self::WrongKey(_)
            | Self::Unlock(_)
            | Self::NotFound(_)
            | Self::AnotherKind { .. }
            | Self::Policies(_)
            | Self::Passphrase(_)
            | Self::Rotating(_)
            | Self::Moving(_)
            | Self::Malformed { .. }
            | Self::NothingBefore(_)
            | Self::NotInForce
            | Self::Source(_)
            | Self::Rekey(_)
            | Self::Backup(_)
            | Self::Configuration(_)
            | Self::Vault(_)
            | Self::Broken(..) => None,
        }
    }
}
