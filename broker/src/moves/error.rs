//! Why a move did not go on. Nothing was changed then, but as far as the message says.

use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;

use crate::api_error::{Answer, ApiError};
use crate::policy_files::PolicyFilesError;
use crate::secrets::UpkeepError;

/// Why a move did not begin, go on, end or go back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(
        "no policy declares a secret `{0}`, so nothing says where its value is stored; declare it, in its old place if a move of it is under way, and run this again"
    )]
    Undeclared(SecretName),
    #[error(
        "no move of `{0}` is under way: it is over, or never began; begin one with `tokenctl secret move {0} --to PLACE`"
    )]
    NoMove(SecretName),
    #[error("`{name}` is taken from {place} already, and no move of it is under way")]
    AlreadyThere { name: SecretName, place: String },
    #[error(
        "a move of `{name}` from {from} to {to} is under way; end it with `tokenctl secret move {name} --finish`, or go back with `--back`, first"
    )]
    UnderWay {
        name: SecretName,
        from: Box<str>,
        to: Box<str>,
    },
    #[error("{place} gives no value of `{name}`; put it there, or correct the policy")]
    Nothing { name: SecretName, place: String },
    #[error(
        "{place} holds another value than the one `{name}` has now; check which is right, and {hint}"
    )]
    Different {
        name: SecretName,
        place: String,
        hint: &'static str,
    },
    #[error(
        "{by} is taken from {place} too, so the value there is not replaced; name another place, or take {by} from elsewhere first"
    )]
    InUse { by: String, place: String },
    #[error(
        "{place} was given the value of `{name}` and does not give it back; policies stay as they are: look at what is there now, then run this again or name another place"
    )]
    NotKept { name: SecretName, place: String },
    #[error(
        "{place} does not give the value of `{name}` that was copied; if it was changed there on purpose, run `tokenctl secret move {name} --to {place} --replace`, else go back with `tokenctl secret move {name} --back`"
    )]
    Changed { name: SecretName, place: String },
    #[error(
        "`{name}` is still taken from {from}; run `tokenctl secret move {name} --to {to}` to go on, first"
    )]
    NotSwitched {
        name: SecretName,
        from: Box<str>,
        to: Box<str>,
    },
    #[error(
        "policies in force take `{name}` from {in_force}, and a move of it from {from} to {to} is under way; `--back` leads to {from}"
    )]
    Astray {
        name: SecretName,
        in_force: String,
        from: Box<str>,
        to: Box<str>,
    },
    #[error(
        "{old} holds another value than {new}, from which `{name}` is taken; nothing is erased: check which is right, and make them the same, or remove the old one by hand"
    )]
    OldDiffers {
        name: SecretName,
        old: Box<str>,
        new: Box<str>,
    },
    #[error("there is no way back for `{name}`: {old} {why}, then go back")]
    NoWayBack {
        name: SecretName,
        old: Box<str>,
        /// What it does instead, and what to do.
        why: &'static str,
    },
    #[error(
        "where policies take `{0}`, or another secret, from changed meanwhile; nothing was erased: run this again"
    )]
    Overtaken(SecretName),
    #[error(
        "what the vault keeps of the move of `{0}` is not understood; a newer tokend may have begun it: end it with that one"
    )]
    Unreadable(SecretName),
    #[error(
        "{0} on disk is not what is in force, and a move must not load it along; look at it, run `tokenctl policy reload`, then this again"
    )]
    NotInForce(String),
    #[error("{0}")]
    Files(#[source] PolicyFilesError),
    /// The vault, the audit log, a source, or the lock.
    #[error(transparent)]
    Upkeep(UpkeepError),
}

impl<E: Into<UpkeepError>> From<E> for MoveError {
    fn from(error: E) -> Self {
        Self::Upkeep(error.into())
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for MoveError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Upkeep(error) => return error.answer(),
            Self::Undeclared(_) | Self::NoMove(_) => ErrorCode::NotFound,
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
        };
        code.into()
    }
}
