//! A plain HTTP/1.1 client over the Unix socket: one connection, any bytes.
//!
//! Deliberately not the client that ships: it sends what a test tells it to, well-formed or not.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header lines in lower case, as they came.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// One header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}:");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map(str::trim)
    }
}

/// Connects; `None` if no one listens.
#[must_use]
pub fn try_connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    Some(stream)
}

/// Connects, or panics.
pub fn connect(socket: &Path) -> UnixStream {
    try_connect(socket).expect("the broker listens")
}

/// Sends one request on an open connection and reads its answer.
pub fn exchange(stream: &mut UnixStream, method: &str, path: &str, body: &str) -> Answer {
    send(stream, method, path, body);
    read_answer(stream).expect("the broker answers")
}

/// Sends one request on an open connection, whose answer is still to be read.
pub fn send(stream: &mut UnixStream, method: &str, path: &str, body: &str) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .expect("the broker reads");
}

/// One request on a connection of its own.
pub fn request(socket: &Path, method: &str, path: &str, body: &str) -> Answer {
    exchange(&mut connect(socket), method, path, body)
}

/// Reads what still comes until the broker closes the connection, be it by a reset.
///
/// # Panics
///
/// If it does not close it within the time that a read may take.
#[track_caller]
pub fn read_rest(stream: &mut UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        let is_open = error.kind() == ErrorKind::WouldBlock;
        assert!(!is_open, "the broker does not close the connection");
    }
    rest
}

/// Reads one answer; `None` if the connection ended before it was whole.
pub fn read_answer(stream: &mut impl Read) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec())
                .unwrap()
                .to_lowercase();
            let status = head.split(' ').nth(1)?.parse().ok()?;
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= at + 4 + length {
                return Some(Answer {
                    status,
                    head,
                    body: bytes[at + 4..at + 4 + length].to_vec(),
                });
            }
        }
        match stream.read(&mut chunk) {
            // Some kernels interrupt a read while another thread starts a process.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
