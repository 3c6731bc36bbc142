//! Why a move did not go on. Nothing was changed then, but as far as the message says.

use std::borrow::Cow;
use std::time::Duration;

use broker_audit_writer::AuditLogError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;

use crate::api_error::ApiError;
use crate::policy_files::PolicyFilesError;
use crate::secrets::UpkeepError;

/// Why a move did not begin, go on, end or go back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// No policy declares it.
    #[error(
        "no policy declares a secret `{0}`, so nothing says where its value lies; declare it, in its old place if a move of it is under way, and run this again"
    )]
    Undeclared(SecretName),
    /// There is none.
    #[error(
        "no move of `{0}` is under way: it is over, or never began; begin one with `tokenctl secret move {0} --to PLACE`"
    )]
    NotThere(SecretName),
    /// It lies there.
    #[error("`{name}` is taken from {place} already, and no move of it is under way")]
    AlreadyThere {
        /// The secret.
        name: SecretName,
        /// Where.
        place: String,
    },
    /// Another is under way.
    #[error(
        "a move of `{name}` from {from} to {to} is under way; end it with `tokenctl secret move {name} --finish`, or go back with `--back`, first"
    )]
    UnderWay {
        /// The secret.
        name: SecretName,
        /// From where.
        from: Box<str>,
        /// To where.
        to: Box<str>,
    },
    /// The place in force holds nothing.
    #[error("{place} gives no value of `{name}`; put it there, or correct the policy")]
    Nothing {
        /// The secret.
        name: SecretName,
        /// Where it should lie.
        place: String,
    },
    /// Another value is in the new place.
    #[error(
        "{place} holds another value than the one `{name}` has now; look which is right, and {hint}"
    )]
    Different {
        /// The secret.
        name: SecretName,
        /// Where.
        place: String,
        /// How the other one goes.
        hint: &'static str,
    },
    /// Something else is taken from the place whose value would go.
    #[error(
        "{by} is taken from {place} too, so the value there is not replaced; name another place, or take {by} from elsewhere first"
    )]
    InUse {
        /// What.
        by: String,
        /// The place.
        place: String,
    },
    /// What was written is not what is read.
    #[error(
        "{place} was given the value of `{name}` and does not give it back; policies stay as they are: look at what is there now, then run this again or name another place"
    )]
    NotKept {
        /// The secret.
        name: SecretName,
        /// Where.
        place: String,
    },
    /// What is in force is not what was copied.
    #[error(
        "{place} does not give the value of `{name}` that was copied; if it was changed there on purpose, run `tokenctl secret move {name} --to {place} --replace`, else go back with `tokenctl secret move {name} --back`"
    )]
    Changed {
        /// The secret.
        name: SecretName,
        /// Where.
        place: String,
    },
    /// The move is not as far.
    #[error(
        "`{name}` is still taken from {from}; run `tokenctl secret move {name} --to {to}` to go on, first"
    )]
    NotSwitched {
        /// The secret.
        name: SecretName,
        /// From where.
        from: Box<str>,
        /// To where.
        to: Box<str>,
    },
    /// Policies name neither the old nor the new place.
    #[error(
        "policies in force take `{name}` from {in_force}, and a move of it from {from} to {to} is under way; `--back` leads to {from}"
    )]
    Astray {
        /// The secret.
        name: SecretName,
        /// What is in force.
        in_force: String,
        /// From where.
        from: Box<str>,
        /// To where.
        to: Box<str>,
    },
    /// The old copy is another value than the one in force.
    #[error(
        "{old} holds another value than {new}, from which `{name}` is taken; nothing is erased: look which is right, and make them the same, or remove the old one by hand"
    )]
    OldDiffers {
        /// The secret.
        name: SecretName,
        /// The old place.
        old: Box<str>,
        /// The new one.
        new: Box<str>,
    },
    /// The old place gives no value any more, or not this one.
    #[error("there is no way back for `{name}`: {old} {why}, then go back")]
    NoWayBack {
        /// The secret.
        name: SecretName,
        /// The old place.
        old: Box<str>,
        /// What it does instead, and what to do.
        why: &'static str,
    },
    /// The policies changed while the move was about to be finished.
    #[error(
        "where policies take `{0}`, or another secret, from changed meanwhile; nothing was erased: run this again"
    )]
    Overtaken(SecretName),
    /// What was written down of a move is no place.
    #[error(
        "what the vault keeps of the move of `{0}` is not understood; a newer tokend may have begun it: end it with that one"
    )]
    Unreadable(SecretName),
    /// The files say something else than what is in force.
    #[error(
        "{0} on disk is not what is in force, and a move must not load it along; look at it, run `tokenctl policy reload`, then this again"
    )]
    NotInForce(String),
    /// The policies cannot be read.
    #[error("{0}")]
    Files(#[source] PolicyFilesError),
    /// The vault, the audit log, a source, or the lock.
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
}

impl From<AuditLogError> for MoveError {
    fn from(error: AuditLogError) -> Self {
        UpkeepError::from(error).into()
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for MoveError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Upkeep(error) => error.code(),
            Self::Undeclared(_) | Self::NotThere(_) => ErrorCode::NotFound,
            Self::AlreadyThere { .. }
            | Self::Overtaken(_)
            | Self::UnderWay { .. }
            | Self::Different { .. }
            | Self::InUse { .. }
            | Self::Changed { .. }
            | Self::NotSwitched { .. }
            | Self::Astray { .. }
            | Self::OldDiffers { .. }
            | Self::NoWayBack { .. }
            | Self::NotInForce(_)
            | Self::Files(_) => ErrorCode::Conflict,
            Self::Nothing { .. } => ErrorCode::SecretMissing,
            Self::NotKept { .. } => ErrorCode::SourceUnavailable,
            Self::Unreadable(_) => ErrorCode::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let Self::Upkeep(error) = self else {
            return None;
        };
        error.retry_after()
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let Self::Upkeep(error) = self else {
            return None;
        };
        error.hint()
    }
}
