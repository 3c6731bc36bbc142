//! HTTP/1.1 over the Unix socket: blocking, one request a connection, no runtime.
//!
//! The command line starts for every token a script asks for, so what counts is the time from
//! `exec` to the answer: one `connect`, one `write`, and as few reads as the answer needs.
//!
//! What passes through may be a secret, in either direction. Every buffer here is wiped when it is
//! dropped, and none is left to grow by itself, because a `Vec` that moves leaves its old bytes
//! behind. Who is on the other end is read from the kernel ([`Connection::server`]), and a secret
//! goes only where [`Server::require_trusted`] says so.
//!
//! Not here: which socket, what to ask, what to print. How an answer is read: `reading`.

mod error;
mod reading;

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::wiped::WipedBytes;

use self::reading::{Head, Input, Stopped};
use crate::error::Problem;

pub use self::error::ClientError;

/// The longest answer taken where the request does not say, in bytes.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The longest answer taken where it cannot be asked for in pages and grows with what the broker holds,
/// in bytes: about a million leases that one command ended.
pub const MAX_WHOLE_ANSWER: usize = 256 * 1024 * 1024;

/// How long a read or write may take where the request does not say.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One request. Its body is wiped when it is dropped.
pub struct Request<'a> {
    method: &'static str,
    path: &'a str,
    body: WipedBytes,
    patience: Duration,
    longest: usize,
}

impl<'a> Request<'a> {
    /// A request without a body; `path` begins with `/` and needs no escaping.
    #[must_use]
    pub fn new(method: &'static str, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: WipedBytes::default(),
            patience: PATIENCE,
            longest: MAX_ANSWER,
        }
    }

    /// The same with a JSON body.
    ///
    /// # Errors
    ///
    /// [`ClientError::Request`] if it cannot be written as JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        serde_json::to_writer(&mut self.body, body).map_err(ClientError::Request)?;
        Ok(self)
    }

    /// The same with another limit on each read and write.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same with another limit on the answer's length, in bytes.
    #[must_use]
    pub const fn longest(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    /// Head and body in one buffer, for one write.
    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        let mut all = Zeroizing::new(Vec::with_capacity(head.len() + self.body.len()));
        all.extend_from_slice(head.as_bytes());
        all.extend_from_slice(&self.body);
        all
    }
}

/// An answer with a status of 200 to 299. Its body is wiped when it is dropped.
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body as it came.
    pub body: WipedBytes,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unfamiliar`] if it is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Unfamiliar {
            line: error.line(),
            column: error.column(),
        })
    }
}

/// Who listens on the other end, as the kernel noted it when they began to listen. Under socket
/// activation that is the service manager: root, or one's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Account.
    pub uid: u32,
}

impl Server {
    /// Whether a secret may be sent there: to one's own account, to root, and to the account that
    /// the operator says the broker runs as.
    ///
    /// # Errors
    ///
    /// [`ClientError::Untrusted`] otherwise.
    pub fn require_trusted(self, own: u32, configured: Option<u32>) -> Result<(), ClientError> {
        if self.uid == own || self.uid == 0 || Some(self.uid) == configured {
            return Ok(());
        }
        Err(ClientError::Untrusted(self.uid))
    }
}

/// A connection for one request. Closed on `exec`, as all that std opens.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// One of the first four of [`ClientError`].
    pub fn open(socket: &Path) -> Result<Self, ClientError> {
        match UnixStream::connect(socket) {
            Ok(stream) => Ok(Self { stream }),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::NotFound => ClientError::NotThere(socket.to_owned()),
                io::ErrorKind::ConnectionRefused => ClientError::Deserted(socket.to_owned()),
                io::ErrorKind::PermissionDenied => ClientError::Forbidden(socket.to_owned()),
                _ => ClientError::Connect {
                    socket: socket.to_owned(),
                    source,
                },
            }),
        }
    }

    /// Who is on the other end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Broken`] if the kernel does not say.
    pub fn server(&self) -> Result<Server, ClientError> {
        let peer = getsockopt(&self.stream, sockopt::PeerCredentials)
            .map_err(|errno| ClientError::Broken(errno.into()))?;
        Ok(Server { uid: peer.uid() })
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    ///
    /// [`ClientError::Problem`] if the broker refuses; the others if there is no answer to read.
    pub fn send(self, request: &Request<'_>) -> Result<Response, ClientError> {
        let (head, mut input) = self.ask(request)?;
        let body = head
            .read_body(&mut input, request.longest)
            .map_err(|fault| fault.into_error(broken(request)))?;
        head.answer(body)
    }

    /// Sends the request and passes the answer's body on while it comes, of any length. Returns how
    /// long it was; it is not whole before that.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], and [`ClientError::Output`] if `out` takes no more.
    pub fn download(self, request: &Request<'_>, out: &mut dyn Write) -> Result<u64, ClientError> {
        let (head, mut input) = self.ask(request)?;
        if !head.is_success() {
            let body = head
                .read_body(&mut input, request.longest)
                .map_err(|fault| fault.into_error(broken(request)))?;
            return head.answer(body).map(|_none| 0);
        }
        head.pass_body(&mut input, out)
            .map_err(|stopped| match stopped {
                Stopped::Reading(fault) => fault.into_error(broken(request)),
                Stopped::Writing(error) => ClientError::Output(error),
            })
    }

    fn ask(mut self, request: &Request<'_>) -> Result<(Head, Input), ClientError> {
        let broken = broken(request);
        let patience = Some(request.patience);
        self.stream.set_read_timeout(patience).map_err(broken)?;
        self.stream.set_write_timeout(patience).map_err(broken)?;
        match self.stream.write_all(&request.bytes()) {
            Ok(()) => {}
            // A broker that refuses early (too many connections, too long a body) has answered.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(broken(error)),
        }
        let mut input = Input::new(self.stream);
        let head = Head::read(&mut input).map_err(|fault| fault.into_error(broken))?;
        Ok((head, input))
    }
}

impl Head {
    const fn is_success(&self) -> bool {
        200 <= self.status && self.status < 300
    }

    fn answer(&self, body: WipedBytes) -> Result<Response, ClientError> {
        let answer = Response {
            status: self.status,
            body,
        };
        if self.is_success() {
            return Ok(answer);
        }
        Err(match answer.json::<Problem>() {
            Ok(problem) => ClientError::Problem {
                problem: Box::new(problem),
                retry_after: self.retry_after,
            },
            Err(_) => ClientError::Status(self.status),
        })
    }
}

fn broken(request: &Request<'_>) -> impl Fn(io::Error) -> ClientError + Copy {
    let patience = request.patience.as_secs();
    move |error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent(patience),
        _ => ClientError::Broken(error),
    }
}

#[cfg(test)]
mod tests;
