//! HTTP/1.1 over the Unix socket: blocking, one request a connection, no runtime.
//!
//! The command line starts for every token a script asks for, so what counts is the time from
//! `exec` to the answer: one `connect`, one `write`, and as few reads as the answer needs.
//!
//! What passes through may be a secret, in either direction. Every buffer here is wiped when it is
//! dropped, and none is left to grow by itself, because a `Vec` that moves leaves its old bytes
//! behind. Who is on the other end is read from the kernel ([`Connection::server`]), and a secret
//! goes only where [`require_trusted`] says so.
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

use self::reading::{Head, Input};
use crate::error::Problem;
use crate::paths::check_socket;

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

/// A connection for one request. Closed on `exec`, as all that std opens.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    if_dev: fn(),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// One of the first five of [`ClientError`].
    pub fn open(socket: &Path) -> Result<Self, ClientError> {
        check_socket(socket)?;
        match UnixStream::connect(socket) {
            Ok(stream) => Ok(Self::of(stream)),
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

    const fn of(stream: UnixStream) -> Self {
        let if_dev = || {};
        Self { stream, if_dev }
    }

    /// What is done when the answer says that it comes from `tokend --dev`.
    #[must_use]
    pub const fn if_dev(mut self, then: fn()) -> Self {
        self.if_dev = then;
        self
    }

    /// The account that listens on the other end, as the kernel noted it when it began to listen. Under
    /// socket activation that is the service manager's: root, or one's own.
    ///
    /// # Errors
    ///
    /// [`ClientError::Broken`] if the kernel does not say.
    pub fn server(&self) -> Result<u32, ClientError> {
        let peer = getsockopt(&self.stream, sockopt::PeerCredentials).map_err(io::Error::from)?;
        Ok(peer.uid())
    }

    /// Sends the request and reads the answer.
    ///
    /// # Errors
    ///
    /// [`ClientError::Problem`] if the broker refuses; the others if there is no answer to read.
    pub fn send(self, request: &Request<'_>) -> Result<Response, ClientError> {
        self.ask(request, |head, input| head.answer(input, request.longest))
    }

    /// Sends the request and passes the answer's body on while it comes, of any length. Returns how
    /// long it was; it is not whole before that.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], and [`ClientError::Output`] if `out` takes no more.
    pub fn download(self, request: &Request<'_>, out: &mut dyn Write) -> Result<u64, ClientError> {
        self.ask(request, |head, input| {
            if head.is_success() {
                return head.pass_body(input, out);
            }
            head.answer(input, request.longest).map(|_none| 0)
        })
    }

    fn ask<T>(
        mut self,
        request: &Request<'_>,
        read: impl FnOnce(&Head, &mut Input) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let asked = move || {
            self.stream.set_read_timeout(Some(request.patience))?;
            self.stream.set_write_timeout(Some(request.patience))?;
            match self.stream.write_all(&request.bytes()) {
                // A broker that refuses early (too many connections, too long a body) has answered.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
            let mut input = Input::new(self.stream);
            let head = Head::read(&mut input)?;
            if head.is_dev {
                (self.if_dev)();
            }
            read(&head, &mut input)
        };
        asked().map_err(|error| match error {
            ClientError::Broken(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => ClientError::Cut,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    ClientError::Silent(request.patience.as_secs())
                }
                _ => ClientError::Broken(error),
            },
            error => error,
        })
    }
}

/// Whether a secret may be sent to a broker of this account: to one's own, to root, and to the one that the
/// operator says the broker runs as.
///
/// # Errors
///
/// [`ClientError::Untrusted`] otherwise.
pub fn require_trusted(server: u32, own: u32, configured: Option<u32>) -> Result<(), ClientError> {
    if server == own || server == 0 || Some(server) == configured {
        return Ok(());
    }
    Err(ClientError::Untrusted(server))
}

impl Head {
    const fn is_success(&self) -> bool {
        200 <= self.status && self.status < 300
    }

    fn answer(&self, input: &mut Input, longest: usize) -> Result<Response, ClientError> {
        let answer = Response {
            status: self.status,
            body: self.read_body(input, longest)?,
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

#[cfg(test)]
mod tests;
