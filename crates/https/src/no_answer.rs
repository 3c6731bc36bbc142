//! Why a request has no answer, and whether it may have been carried out all the same.

use std::error::Error as _;
use std::io;

use broker_protocol::causes;

/// How a host could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host has no address, or no one says it.
    #[error("its name has no address")]
    Dns,
    /// Nothing takes the connection.
    #[error("nothing takes the connection")]
    Connect,
    /// The certificate or the handshake.
    #[error("its certificate or the TLS handshake is refused")]
    Tls,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer")]
    Lost,
}

/// Why a request has no answer.
pub enum NoAnswer {
    /// It could not be made up; nothing was sent.
    Unmakeable,
    /// It went out, or tried to.
    NotReached(NotReached),
}

/// A request that went out, or tried to, and was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReached {
    /// What went wrong.
    pub why: Unreachable,
    /// Whether the request may have been carried out all the same.
    pub may_have_happened: bool,
    /// The causes, for the operator. Never a URL.
    pub cause: Box<str>,
}

impl NoAnswer {
    /// Takes an error of the library for what it means.
    #[must_use]
    pub fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            return Self::Unmakeable;
        }
        let connecting = error.is_connect();
        let why = if error.is_timeout() {
            Unreachable::TimedOut
        } else if !connecting {
            Unreachable::Lost
        } else {
            connect_fault(&error)
        };
        Self::NotReached(NotReached {
            why,
            may_have_happened: !connecting,
            cause: causes::describe(&error).into(),
        })
    }
}

/// The libraries have no type of their own for these. A handshake fails as an I/O error that is not
/// the system's.
fn connect_fault(error: &reqwest::Error) -> Unreachable {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.to_string().starts_with("dns error") {
            return Unreachable::Dns;
        }
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.raw_os_error().is_none()) {
            return Unreachable::Tls;
        }
        next = cause.source();
    }
    Unreachable::Connect
}
