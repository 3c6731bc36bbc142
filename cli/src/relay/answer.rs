//! What the relay itself says to a client: that a tunnel is open, or why there is none.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use super::stream::Stream;

/// An answer that ends the connection.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    pub(super) fn bad_request(why: &str) -> Self {
        Self::new(400, "", why)
    }

    pub(super) fn only_connect() -> Self {
        let why = "this is the relay of `tokenctl exec`: it answers CONNECT alone, so only https goes through it";
        Self::new(405, "allow: CONNECT\r\n", why)
    }

    pub(super) fn too_late() -> Self {
        Self::new(408, "", "the request has not come in time")
    }

    pub(super) fn too_long() -> Self {
        Self::new(431, "", "the request is too long")
    }

    pub(super) fn bad_gateway(why: impl AsRef<str>) -> Self {
        Self::new(502, "", why.as_ref())
    }

    /// `to` says to where, if not to all hosts.
    pub(super) fn too_many(most: usize, to: &str) -> Self {
        let why = format!(
            "the command has {most} connections{to} open already; close one, and try again"
        );
        Self::new(503, "", &why)
    }

    /// Another's answer, byte for byte.
    pub(super) const fn as_it_came(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The reason is in the status line, too: clients drop the body of what answers a CONNECT, and show that.
    fn new(status: u16, header: &str, why: &str) -> Self {
        let printable = |c: char| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        };
        let reason: String = why.chars().map(printable).take(LONGEST_REASON).collect();
        let text = format!("tokenctl: {why}\n");
        let length = text.len();
        Self(
            format!(
                "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\n\
                 content-length: {length}\r\n{header}connection: close\r\n\r\n{text}"
            )
            .into_bytes(),
        )
    }

    /// Says it, and closes the connection so that it arrives: a close with something unread breaks the
    /// connection, and what was sent may be lost with it.
    pub(super) fn send(&self, client: &Stream) -> io::Result<()> {
        client.set_patience(LINGER)?;
        client.write_all(&self.0)?;
        client.shut_down(Shutdown::Write);
        let mut part = [0; 4096];
        for _ in 0..MOST_READS {
            if !matches!(client.read(&mut part), Ok(1..)) {
                break;
            }
        }
        Ok(())
    }
}

/// Says that the tunnel is open.
pub(super) fn established(client: &Stream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
}

/// Of a status line, in characters.
const LONGEST_REASON: usize = 400;
/// For a client that goes on sending.
const LINGER: Duration = Duration::from_secs(1);
const MOST_READS: usize = 64;
