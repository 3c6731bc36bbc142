//! The lines before a tunnel: what a client or a proxy says in HTTP, and not a byte more.

use std::io;
use std::time::Duration;

use super::stream::Stream;
use crate::clock::Deadline;
use crate::host_port::HostPort;

/// Lines of HTTP up to the empty one, and what came after them.
pub(super) struct Head {
    lines: Vec<u8>,
    /// What was read beyond them.
    pub(super) rest: Vec<u8>,
}

/// Why there is no head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoHead {
    /// The connection ended or broke before it was whole.
    Cut,
    /// It did not come in time.
    Late,
    /// It is longer than [`LONGEST`].
    TooLong,
    /// It is not HTTP.
    NotHttp,
}

/// A client's request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxyRequest {
    /// `CONNECT`: a tunnel to there.
    Tunnel(HostPort),
    /// Something else than `CONNECT`.
    OtherMethod,
    /// A `CONNECT` that cannot be read.
    Malformed,
}

/// Reads a head, which has to be whole after this time.
pub(super) fn read(stream: &Stream, patience: Duration) -> Result<Head, NoHead> {
    let deadline = Deadline::after(patience);
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        stream
            .set_patience(deadline.left().ok_or(NoHead::Late)?)
            .map_err(|_gone| NoHead::Cut)?;
        let length = stream.read(&mut part).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoHead::Late,
            _ => NoHead::Cut,
        })?;
        if length == 0 {
            return Err(NoHead::Cut);
        }
        bytes.extend_from_slice(part.get(..length).unwrap_or_default());
        if let Some(head) = split(&bytes)? {
            return Ok(head);
        }
    }
}

/// The head, once it is whole.
fn split(bytes: &[u8]) -> Result<Option<Head>, NoHead> {
    // A client that begins with TLS, for example, would never send an empty line.
    if bytes
        .first()
        .is_some_and(|first| !first.is_ascii_uppercase())
    {
        return Err(NoHead::NotHttp);
    }
    let mut before = b' ';
    let mut empty = false;
    for (at, byte) in bytes.iter().enumerate().take(LONGEST) {
        match byte {
            // What ends a line to one reader and not to another is no line.
            b'\n' if before != b'\r' => return Err(NoHead::NotHttp),
            b'\n' if empty => {
                let (lines, rest) = bytes.split_at(at + 1);
                return Ok(Some(Head {
                    lines: lines.to_vec(),
                    rest: rest.to_vec(),
                }));
            }
            b'\n' => empty = true,
            b'\r' if before != b'\r' => {}
            b'\0'..=b'\x08' | b'\x0b'..=b'\x1f' | b'\x7f' => return Err(NoHead::NotHttp),
            _ if before == b'\r' => return Err(NoHead::NotHttp),
            _ => empty = false,
        }
        before = *byte;
    }
    if bytes.len() >= LONGEST {
        return Err(NoHead::TooLong);
    }
    Ok(None)
}

impl Head {
    /// The lines as they came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.lines
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.lines.split(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn first_line(&self) -> Option<&str> {
        str::from_utf8(self.lines().next()?).ok()
    }

    /// The request, of a client's head.
    pub(super) fn request(&self) -> ProxyRequest {
        let line = self.first_line().unwrap_or_default();
        let mut words = line.split(' ');
        if words.next() != Some("CONNECT") {
            return ProxyRequest::OtherMethod;
        }
        let to = words.next().and_then(|to| to.parse().ok());
        let known = matches!(words.next(), Some("HTTP/1.1" | "HTTP/1.0"));
        match to {
            Some(to) if known && words.next().is_none() => ProxyRequest::Tunnel(to),
            _ => ProxyRequest::Malformed,
        }
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        let rest = self.first_line()?.strip_prefix("HTTP/1.")?;
        let (_minor, rest) = rest.split_once(' ')?;
        let digits = rest
            .get(..3)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let ends = matches!(rest.as_bytes().get(3), None | Some(b' '));
        digits?.parse().ok().filter(|_status| ends)
    }

    /// How long an answer's body is, if it says so.
    pub(super) fn content_length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    /// The value of the first header of this name.
    pub(super) fn header(&self, wanted: &str) -> Option<&str> {
        let lines = self.lines().skip(1);
        lines
            .filter_map(|line| str::from_utf8(line).ok()?.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    }
}

/// Bytes.
pub(super) const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests;
