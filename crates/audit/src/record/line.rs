//! How a record becomes a line.
//!
//! A line is `{"v":1,"seq":N,"time":"…","prev":"HEX",` and then a [`Body`]: the record's own
//! fields, `"kind":"…",…}`. The body does not depend on the lines before it, so whoever wants a
//! record serialises the body at leisure, and the one writer only adds the prefix and hashes.

use std::io::Write as _;

use jiff::Timestamp;

use super::Event;
use crate::chain::{Head, LineHash};

/// The part of a line that does not depend on the lines before it: `"kind":"…",…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(String);

impl Body {
    /// Serialises an event.
    ///
    /// # Errors
    ///
    /// Only if serialising fails, which the types above do not.
    pub fn of(event: &impl Event) -> Result<Self, serde_json::Error> {
        let mut text = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut text, event)?;
        text.remove(0); // the brace; the prefix brings its own
        Ok(Self(utf8(text)))
    }

    /// The bytes a MAC covers: everything so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds `"mac":"HEX"` as the last field.
    #[must_use]
    pub fn with_mac(mut self, mac: &[u8; 32]) -> Self {
        self.0.pop(); // the closing brace
        self.0.push_str(MAC_OPENS);
        self.0
            .extend(LineHash::from_bytes(*mac).to_hex().map(char::from));
        self.0.push_str(MAC_CLOSES);
        Self(self.0)
    }

    /// Splits a body's text into what the MAC covers, as it was, and the MAC. `None` without one.
    #[must_use]
    pub fn split_mac(text: &str) -> Option<(String, [u8; 32])> {
        let rest = text.strip_suffix(MAC_CLOSES)?;
        let at = rest.len().checked_sub(64)?;
        let (head, hex) = rest.split_at_checked(at)?;
        let covered = head.strip_suffix(MAC_OPENS)?;
        let mac: LineHash = hex.parse().ok()?;
        Some((format!("{covered}}}"), *mac.as_bytes()))
    }
}

/// Bytes. The record of a lease, MAC included, rarely needs more.
const USUAL: usize = 1024;

#[expect(clippy::expect_used, reason = "JSON is UTF-8")]
fn utf8(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("serde_json writes nothing else")
}

const MAC_OPENS: &str = r#","mac":""#;
const MAC_CLOSES: &str = r#""}"#;

/// Appends one line, newline included, to `out` and returns the head after it.
///
/// `time` is written with exactly six digits of a second.
pub fn write_line(out: &mut Vec<u8>, head: Head, time: Timestamp, body: &Body) -> Head {
    let start = out.len();
    out.extend_from_slice(br#"{"v":1,"seq":"#);
    write_infallibly(out, format_args!("{}", head.records));
    out.extend_from_slice(br#","time":""#);
    write_infallibly(out, format_args!("{time:.6}"));
    out.extend_from_slice(br#"","prev":""#);
    out.extend_from_slice(&head.hash.to_hex());
    out.extend_from_slice(br#"","#);
    out.extend_from_slice(body.0.as_bytes());
    let hash = LineHash::of(out.get(start..).unwrap_or_default());
    out.push(b'\n');
    Head {
        records: head.records + 1,
        hash,
    }
}

#[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
fn write_infallibly(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes any bytes");
}

#[cfg(test)]
mod tests {
    use super::super::BrokerEvent;
    use super::*;

    #[test]
    fn a_line_is_the_prefix_and_the_body_and_carries_the_hash_before_it() {
        let mut out = Vec::new();
        let body = Body::of(&BrokerEvent::Stopped { why: "SIGTERM" }).unwrap();
        let time = "2026-11-21T07:00:00.1234Z".parse().unwrap();
        let head = write_line(&mut out, Head::EMPTY, time, &body);
        let zeros = "0".repeat(64);
        let want = format!(
            r#"{{"v":1,"seq":0,"time":"2026-11-21T07:00:00.123400Z","prev":"{zeros}","kind":"broker.stopped","why":"SIGTERM"}}"#
        );
        assert_eq!(out.strip_suffix(b"\n").unwrap(), want.as_bytes());
        assert_eq!(
            head,
            Head {
                records: 1,
                hash: LineHash::of(want.as_bytes())
            }
        );
    }

    #[test]
    fn a_mac_is_the_last_field_and_comes_off_again() {
        let body = Body::of(&BrokerEvent::Stopped { why: "x" }).unwrap();
        let covered = body.as_str().to_owned();
        let sealed = body.with_mac(&[7; 32]);
        assert_eq!(Body::split_mac(sealed.as_str()), Some((covered, [7; 32])));
        assert_eq!(Body::split_mac(r#""kind":"x"}"#), None);
    }
}
