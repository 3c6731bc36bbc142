//! Why there is no answer.

use std::io;
use std::path::PathBuf;

use crate::error::{ErrorCode, Problem};
use crate::paths::SocketTooLong;

/// Why there is no answer, or what the broker refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No socket at that path.
    #[error("no broker at {}", .0.display())]
    NotThere(PathBuf),
    /// A socket, but no broker listens on it.
    #[error("no broker listens on {}: the one that made it has ended", .0.display())]
    Deserted(PathBuf),
    /// The socket's mode or group, or a directory above it, keeps this account out.
    #[error("this account may not use the socket {}", .0.display())]
    Forbidden(PathBuf),
    /// No socket can have that path.
    #[error(transparent)]
    TooLong(#[from] SocketTooLong),
    /// Any other reason not to get a connection.
    #[error("cannot connect to {}: {source}", .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A secret was about to go to an account that has no business with it.
    #[error(
        "the broker runs as uid {0}, which is neither this account nor root nor the configured one; \
         the secret was not sent"
    )]
    Untrusted(u32),
    /// Nothing was read or written for this many seconds.
    #[error("the broker has not answered for {0} s")]
    Silent(u64),
    /// The connection broke.
    #[error("the connection to the broker broke: {0}")]
    Broken(#[from] io::Error),
    /// The broker went away: it was stopped, or killed. What was asked may be done all the same.
    #[error("the connection ended before the broker had answered")]
    Cut,
    /// What was to take the answer does not take it.
    #[error("cannot write what the broker answers: {0}")]
    Output(#[source] io::Error),
    /// The answer is not HTTP as expected.
    #[error("the broker's answer cannot be read: {0}")]
    Garbled(&'static str),
    /// The body is not what the request is answered with. Says where, never what: it may hold a
    /// token.
    #[error("the broker's answer is not of this version (line {line}, column {column})")]
    Unfamiliar {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A refusal that is no [`Problem`] of this version.
    #[error("the broker answered with status {0}")]
    Status(u16),
    /// The broker refused, and says why.
    #[error("{}", .problem.detail)]
    Problem {
        /// The refusal.
        problem: Box<Problem>,
        /// Seconds after which to come back.
        retry_after: Option<u64>,
    },
    /// The request could not be written as JSON.
    #[error("the request cannot be written as JSON")]
    Request(#[source] serde_json::Error),
}

impl ClientError {
    /// The word that the broker refused with.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Problem { problem, .. } => Some(problem.code),
            _ => None,
        }
    }
}
