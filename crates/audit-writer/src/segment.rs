//! Names of what was moved aside, and a walk over the lines of one.
//!
//! The walk stops at the first byte that is not part of a whole, chained line. What such a line is, the
//! verifier's own code says: a start that kept more than that would leave a log that never verifies
//! again, and one that kept less would move aside what the chain confirms.
//!
//! Not here: what a torn end means, and which lines matter.

use broker_audit::chain::{Head, LineHash};
use broker_audit::prefix::{Prefix, is_too_long};
pub(super) use broker_audit::segment::{first_record, name};

/// Bytes that were moved aside from the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    /// The segment's first record.
    pub(super) first: u64,
    /// Where in it they began.
    pub(super) offset: u64,
    /// The file they are in.
    pub(super) name: String,
}

impl Torn {
    /// `nth` counts from 1; more than one is needed only after a crash amid a recovery.
    pub(super) fn new(first: u64, offset: u64, nth: u32) -> Self {
        let segment = name(first);
        let name = match nth {
            1 => format!("{segment}.{offset}.torn"),
            _ => format!("{segment}.{offset}.{nth}.torn"),
        };
        Self {
            first,
            offset,
            name,
        }
    }

    /// Reads a name back; `None` if it is not one of ours.
    pub(super) fn parse(file: &str) -> Option<Self> {
        let (segment, rest) = file.strip_suffix(".torn")?.split_at_checked(26)?;
        let mut numbers = rest.strip_prefix('.')?.split('.');
        let offset = numbers.next()?.parse().ok()?;
        let nth = numbers.next().map_or(Some(1), |nth| nth.parse().ok())?;
        let torn = Self::new(first_record(segment)?, offset, nth);
        (torn.name == file).then_some(torn)
    }
}

/// One whole line that continues the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// All of it, without the newline.
    pub(super) bytes: &'a [u8],
    /// The same as text, empty if it is none: then it is a link of the chain and tells nothing.
    pub(super) text: &'a str,
    /// Its number.
    pub(super) seq: u64,
    /// When it was written, as text.
    pub(super) time: &'a str,
    /// What the writer of the record gave: `"kind":"…",…}`; empty if that is no text.
    pub(super) body: &'a str,
    /// The value of `kind`.
    pub(super) kind: &'a str,
}

/// Walks the lines of a segment's bytes.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    offset: usize,
    head: Head,
}

impl<'a> Walk<'a> {
    /// Starts where the chain stands at `head`.
    pub(super) const fn from(head: Head, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            head,
        }
    }

    /// Starts with the head that the segment's own first line claims to continue. `None` if that
    /// line is not whole.
    pub(super) fn trusting(first: u64, bytes: &'a [u8]) -> Option<Self> {
        let mut walk = Self::from(Head::EMPTY, bytes);
        walk.head.records = first;
        let (_, prev) = walk.peek(None)?;
        walk.head.hash = prev;
        (first > 0 || prev == LineHash::ZERO).then_some(walk)
    }

    /// The head after the lines walked so far.
    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Bytes walked so far.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The next line, if it is whole, and the hash that it names. With `prev`, only if that is the one.
    fn peek(&self, prev: Option<LineHash>) -> Option<(Line<'a>, LineHash)> {
        let rest = self.bytes.get(self.offset..)?;
        let bytes = rest.get(..newline(rest)?)?;
        let prefix = Prefix::read(bytes)?;
        let hash = prefix.prev()?;
        let continues = prefix.seq == self.head.records && prev.is_none_or(|prev| prev == hash);
        let line = Line {
            bytes,
            text: text(bytes),
            seq: prefix.seq,
            time: text(prefix.time),
            body: text(prefix.body),
            kind: text(prefix.kind),
        };
        (continues && !is_too_long(bytes)).then_some((line, hash))
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl<'a> Iterator for Walk<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (line, _) = self.peek(Some(self.head.hash))?;
        self.offset += line.bytes.len() + 1;
        self.head = Head {
            records: self.head.records + 1,
            hash: LineHash::of(line.bytes),
        };
        Some(line)
    }
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use broker_audit::record::{Body, BrokerEvent, write_line};

    use super::*;

    fn two_lines() -> (Vec<u8>, Head) {
        let mut bytes = Vec::new();
        let time = "2026-11-21T07:00:00Z".parse().unwrap();
        let mut head = Head::EMPTY;
        for why in ["SIGTERM", "SIGINT"] {
            let body = Body::of(&BrokerEvent::Stopped { why }).unwrap();
            head = write_line(&mut bytes, head, time, &body);
        }
        (bytes, head)
    }

    #[test]
    fn names_of_what_was_moved_aside_read_back() {
        for torn in [Torn::new(41, 9, 1), Torn::new(41, 0, 3)] {
            assert_eq!(Torn::parse(&torn.name), Some(torn));
        }
        assert_eq!(Torn::parse("00000000000000000041.jsonl.torn"), None);
    }

    #[test]
    fn a_walk_gives_back_what_was_written() {
        let (bytes, head) = two_lines();
        let mut walk = Walk::trusting(0, &bytes).unwrap();
        let bodies: Vec<_> = walk.by_ref().map(|line| line.body).collect();
        let wanted = [
            r#""kind":"broker.stopped","why":"SIGTERM"}"#,
            r#""kind":"broker.stopped","why":"SIGINT"}"#,
        ];
        assert_eq!(bodies, wanted);
        assert_eq!((walk.head(), walk.offset()), (head, bytes.len()));
    }

    #[test]
    fn a_walk_stops_before_any_line_that_a_changed_byte_unchains() {
        let (bytes, _) = two_lines();
        let second = newline(&bytes).unwrap() + 1;
        // Not the newline: without it the two are one line, which only its not being JSON betrays.
        for at in 0..second - 1 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let offset = Walk::trusting(0, &changed).map_or(0, |mut walk| {
                walk.by_ref().for_each(drop);
                walk.offset()
            });
            // The changed line itself may still look like one; the next no longer continues it.
            assert!(offset <= second, "byte {at}");
        }
    }

    #[test]
    fn an_unfinished_line_is_not_walked() {
        let (bytes, _) = two_lines();
        for end in 0..bytes.len() {
            let whole = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
            let walked = Walk::from(Head::EMPTY, &bytes[..end]).count();
            assert_eq!(walked, whole, "cut at {end}");
        }
    }
}
