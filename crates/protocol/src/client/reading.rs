//! Reads one answer: status, the few headers that matter, and a body of any framing.
//!
//! The body may hold a token, so it is read into buffers that are wiped and never grow by
//! themselves. Everything has a limit: a broker is trusted with secrets, not with our memory.

use std::io::{self, BufRead, Read, Take};
use std::os::unix::net::UnixStream;

use zeroize::Zeroizing;

use super::ClientError;
use crate::api::DEV_HEADER;
use crate::wiped::WipedBytes;

/// What the lines before the body say about it.
#[derive(Default)]
pub(super) struct Head {
    pub(super) status: u16,
    length: Option<usize>,
    chunked: bool,
    pub(super) retry_after: Option<u64>,
    pub(super) is_dev: bool,
}

impl Head {
    pub(super) fn read(input: &mut Input) -> Result<Self, ClientError> {
        let mut input = input.take(MAX_HEAD);
        let first = line(&mut input)?;
        let mut head = Self {
            status: first
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3))
                .and_then(|digits| digits.parse().ok())
                .ok_or(ClientError::Garbled("it is not HTTP/1.1"))?,
            ..Self::default()
        };
        loop {
            let line = line(&mut input)?;
            if line.is_empty() {
                return Ok(head);
            }
            let (name, value) = line
                .split_once(':')
                .ok_or(ClientError::Garbled("a header has no colon"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().ok();
                head.length = Some(length.ok_or(ClientError::Garbled("its length is no number"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = value.parse().ok();
            } else if name.eq_ignore_ascii_case(DEV_HEADER) {
                head.is_dev = true;
            }
        }
    }

    /// Passes the body on as it comes, however long it is, and says how long it was.
    pub(super) fn pass_body(
        &self,
        input: &mut Input,
        out: &mut dyn io::Write,
    ) -> Result<u64, ClientError> {
        let length = self
            .length
            .ok_or(ClientError::Garbled("it has no length"))?;
        let mut left = length;
        while left > 0 {
            let part = input.fill_buf()?;
            let part = part.get(..part.len().min(left)).unwrap_or_default();
            if part.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            out.write_all(part).map_err(ClientError::Output)?;
            let size = part.len();
            left -= size;
            input.consume(size);
        }
        Ok(length as u64)
    }

    /// Reads a body of at most `longest` bytes.
    pub(super) fn read_body(
        &self,
        input: &mut Input,
        longest: usize,
    ) -> Result<WipedBytes, ClientError> {
        let mut body = WipedBytes::default();
        if self.status == 204 {
            return Ok(body);
        }
        if self.chunked {
            loop {
                let size = line(&mut input.take(MAX_LINE))?;
                let digits = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16)
                    .ok()
                    .filter(|size| *size <= longest)
                    .ok_or(ClientError::Garbled("a chunk has no length"))?;
                if size == 0 {
                    return Ok(body);
                }
                input.read_exact(grow(&mut body, size, longest)?)?;
                if !line(&mut input.take(MAX_LINE))?.is_empty() {
                    return Err(ClientError::Garbled("a chunk is longer than it says"));
                }
            }
        }
        if let Some(length) = self.length {
            input.read_exact(grow(&mut body, length, longest)?)?;
            return Ok(body);
        }
        loop {
            let part = input.fill_buf()?;
            let size = part.len();
            if size == 0 {
                return Ok(body);
            }
            grow(&mut body, size, longest)?.copy_from_slice(part);
            input.consume(size);
        }
    }
}

/// One line without its ending.
fn line(input: &mut Take<&mut Input>) -> Result<String, ClientError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let Some(text) = line.strip_suffix('\n') else {
        return Err(if input.limit() == 0 {
            ClientError::Garbled("a line is too long")
        } else {
            io::Error::from(io::ErrorKind::UnexpectedEof).into()
        });
    };
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Adds room for `more` bytes and returns it.
fn grow(body: &mut WipedBytes, more: usize, longest: usize) -> Result<&mut [u8], ClientError> {
    if body.len().saturating_add(more) > longest {
        return Err(TOO_LONG);
    }
    Ok(body.grow(more))
}

/// A buffered reader whose buffer is wiped.
pub(super) struct Input {
    stream: UnixStream,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: Zeroizing::new(vec![0; 8 * 1024]),
            start: 0,
            end: 0,
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start >= self.end {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(size) => (self.start, self.end) = (0, size),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, size: usize) {
        self.start = (self.start + size).min(self.end);
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let size = self.fill_buf()?.read(out)?;
        self.consume(size);
        Ok(size)
    }
}

const MAX_HEAD: u64 = 16 * 1024;
const MAX_LINE: u64 = 1024;
const TOO_LONG: ClientError =
    ClientError::Garbled("it is longer than any answer this version takes");
