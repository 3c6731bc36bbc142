//! Why a command failed, with which exit code, and what to try next.
//!
//! The broker's refusals keep their own words and the exit code that belongs to their
//! [`ErrorCode`]; the rest is what can go wrong on this side of the socket. Nothing here ever
//! carries a secret: places are named, values are not.
//!
//! [`ErrorCode`]: broker_protocol::error::ErrorCode

use std::io;
use std::path::{Path, PathBuf};

use broker_protocol::client::ClientError;
use broker_protocol::error::ErrorCode;
use broker_protocol::paths::start_command_of;

use crate::socket_access;

/// Why a command failed. `Display` is the line after `tokenctl: error:`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The broker refused, or could not be asked.
    #[error(transparent)]
    Broker(#[from] ClientError),

    /// The broker rejects the policies on disk: no fault of the command line.
    #[error(transparent)]
    Policies(ClientError),

    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),

    /// Something else, with what to do about it where one thing helps.
    #[error("{what}")]
    Failed {
        /// The exit code.
        exit_code: u8,
        /// The word for it under `--json`.
        code: &'static str,
        /// What failed, and where.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },

    /// An operation on a file or directory failed.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// `read`, `write`, …
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// GitHub failed, so that something is not known or not done.
    #[error("{0}")]
    Upstream(String),

    /// Nothing is wrong: a manual step is required, which it names.
    #[error("{0}")]
    Waiting(String),

    /// Nothing is wrong, but it is too early: says when to try again.
    #[error("{0}")]
    Later(String),

    /// The audit log does not verify. Says where and how it breaks.
    #[error("{0}")]
    Verification(String),

    /// The result could not be written to stdout.
    #[error("cannot write the result: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::Failed {
            exit_code: 1,
            code: FAILED,
            what: what.into(),
            hint: None,
        }
    }

    /// A failure, and what to do about it.
    pub(crate) fn with_hint(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed {
            exit_code: 1,
            code: FAILED,
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    /// The same failure with another exit code.
    pub(crate) fn exiting_with(&self, exit_code: u8) -> Self {
        Self::Failed {
            exit_code,
            code: self.code(),
            what: self.to_string(),
            hint: self.hint(),
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// The process's exit code, as the manual lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Broker(error) => match error {
                ClientError::Problem { problem, .. } => problem.code.exit_code(),
                error if is_unreachable(error) => 4,
                _ => 1,
            },
            Self::Usage(_) => 2,
            Self::Upstream(_) => 7,
            Self::Waiting(_) | Self::Later(_) => 75,
            Self::Verification(_) => 8,
            Self::Failed { exit_code, .. } => *exit_code,
            Self::Policies(_) | Self::File { .. } | Self::Output(_) => 1,
        }
    }

    /// The word for it under `--json`: the broker's own where it refused, else one of this side.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Broker(error) | Self::Policies(error) => match error {
                ClientError::Problem { problem, .. } => problem.code.as_str(),
                error if is_unreachable(error) => "unreachable",
                _ => FAILED,
            },
            Self::Usage(_) => USAGE,
            Self::Upstream(_) => "upstream_failed",
            Self::Waiting(_) => "manual_step",
            Self::Later(_) => "try_later",
            Self::Verification(_) => "verification_failed",
            Self::Failed { code, .. } => code,
            Self::File { .. } | Self::Output(_) => FAILED,
        }
    }

    /// Whether no broker listens.
    pub(crate) fn is_no_broker(&self) -> bool {
        matches!(
            self,
            Self::Broker(ClientError::NotThere(_) | ClientError::Deserted(_))
        )
    }

    /// Whether the reader of stdout has gone, as in `tokenctl … | head`.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The line after `tokenctl: hint:`.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { hint, .. } => hint.clone(),
            Self::Broker(error) | Self::Policies(error) => hint_for(error),
            _ => None,
        }
    }
}

/// The word of a failure that has no other.
const FAILED: &str = "failed";

/// The word of a command line that makes no sense.
pub(crate) const USAGE: &str = "usage";

fn hint_for(error: &ClientError) -> Option<String> {
    let hint: &str = match error {
        ClientError::Problem {
            problem,
            retry_after,
        } => match (&problem.hint, retry_after, problem.code) {
            (Some(hint), ..) => hint.as_str(),
            (None, Some(seconds), _) => return Some(format!("try again in {seconds} s")),
            (None, None, ErrorCode::Denied) => "`tokenctl purpose list` shows what is allowed here",
            (None, None, ErrorCode::UnknownLease) => "`tokenctl lease list` shows the live ones",
            _ => return None,
        },
        ClientError::NotThere(socket) => {
            let start = start_command_of(socket);
            return Some(format!(
                "start it with `{start}`, or name its socket with --socket or TOKEND_SOCKET"
            ));
        }
        ClientError::Deserted(socket) => {
            let start = start_command_of(socket);
            return Some(format!(
                "start it again with `{start}`, which replaces the socket"
            ));
        }
        ClientError::Forbidden(socket) => return Some(socket_access::describe(socket)),
        ClientError::Cut => {
            "the request may have been carried out: start the broker if it has stopped, check with `tokenctl status`, and run this again"
        }
        ClientError::Untrusted(_) => {
            "if the broker is meant to run as that account, set TOKEND_SERVER_USER=NAME"
        }
        ClientError::Garbled(_) | ClientError::Unfamiliar { .. } => {
            "`tokenctl doctor` compares the two versions"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether the broker cannot be reached, or left before its answer was whole.
const fn is_unreachable(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::NotThere(_)
            | ClientError::Deserted(_)
            | ClientError::Forbidden(_)
            | ClientError::TooLong(_)
            | ClientError::Connect { .. }
            | ClientError::Silent(_)
            | ClientError::Broken(_)
            | ClientError::Cut
    )
}
