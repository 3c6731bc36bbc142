//! How every line begins: all that a verifier reads of a record besides its bytes.
//!
//! ```text
//! {"v":1,"seq":N,"time":"2026-11-21T07:00:00.123456Z","prev":"HEX","kind":"lease.granted"
//! ```
//!
//! `N` has 1 to 19 digits and no leading zero. What follows the prefix is not evaluated here: a newer
//! broker may write what an older verifier has never heard of.
//!
//! The verifier and the broker's recovery both read lines with this, so that a start never keeps what
//! would not verify afterwards.

use memchr::memmem;

use crate::chain::LineHash;
use crate::segment;

/// What no line holds but at its very beginning. In JSON text the quotes would be escaped, and no
/// record has a field whose value is an object that begins so.
pub(crate) const OPENS: &[u8] = br#"{"v":1,"seq":"#;

const TIME: &[u8] = br#","time":""#;
const INSTANT: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
const PREV: &[u8] = br#"","prev":""#;
const KIND: &[u8] = br#"","kind":""#;

/// The prefix of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// The record's number.
    pub seq: u64,
    /// When it was written, as it stands there: 27 bytes of ASCII.
    pub time: &'a [u8; 27],
    /// Where the hash stands. Whoever does not compare it with a hash has to read it with
    /// [`Prefix::prev`], to learn whether it is one.
    pub(crate) prev_hex: &'a [u8; 64],
    /// 1 to 64 bytes of ASCII.
    pub kind: &'a [u8],
    /// From `"kind"` to the end of the line.
    pub body: &'a [u8],
}

/// Whether a line, given without its newline, is longer than any record is.
#[must_use]
pub const fn is_too_long(line: &[u8]) -> bool {
    line.len() > segment::MAX_BYTES
}

/// Whether a second record begins inside the line: the newline between the two was changed. Only the
/// last line of a log has to be asked; elsewhere the line that follows is out of place.
#[must_use]
pub fn holds_two(line: &[u8]) -> bool {
    memmem::rfind(line, OPENS).is_some_and(|at| at > 0)
}

impl<'a> Prefix<'a> {
    /// Reads the prefix of a line. `None` if the line does not begin as a record does.
    #[must_use]
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(OPENS)?;
        let (seq, rest) = number(rest)?;
        let rest = rest.strip_prefix(TIME)?;
        let (time, rest) = rest.split_first_chunk::<27>()?;
        if !is_instant(time) {
            return None;
        }
        let rest = rest.strip_prefix(PREV)?;
        let (prev_hex, rest) = rest.split_first_chunk::<64>()?;
        // From the quote before `kind`.
        let body = rest.get(2..)?;
        let kind = kind(rest.strip_prefix(KIND)?)?;
        Some(Self {
            seq,
            time,
            prev_hex,
            kind,
            body,
        })
    }

    /// The hash this record names; `None` if what stands there is not lower-case hexadecimal.
    #[must_use]
    pub fn prev(&self) -> Option<LineHash> {
        std::str::from_utf8(self.prev_hex).ok()?.parse().ok()
    }
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let good = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() <= 19;
    let value = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    good.then(|| (digits.iter().fold(0, value), rest))
}

/// Digits where the template has zeros and otherwise the template; no early exit, so that the
/// compiler can compare many bytes at once.
fn is_instant(time: &[u8; 27]) -> bool {
    let fits = |(byte, want): (&u8, &u8)| match want {
        b'0' => byte.is_ascii_digit(),
        _ => byte == want,
    };
    time.iter()
        .zip(INSTANT)
        .fold(true, |good, pair| good & fits(pair))
}

/// 1 to 64 of `a-z`, `0-9`, `.` and `_`, and a quote.
fn kind(text: &[u8]) -> Option<&[u8]> {
    let word = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_');
    let length = text.iter().take(65).take_while(|b| word(b)).count();
    let good = (1..=64).contains(&length) && text.get(length) == Some(&b'"');
    good.then(|| text.get(..length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: &str, time: &str, prev: &str, kind: &str) -> String {
        format!(r#"{{"v":1,"seq":{seq},"time":"{time}","prev":"{prev}","kind":"{kind}","x":1}}"#)
    }

    const TIME: &str = "2026-11-21T07:00:00.123456Z";

    #[test]
    fn a_prefix_is_read_off_the_bytes() {
        let hex = "0f".repeat(32);
        let text = line("1209", TIME, &hex, "new.kind_2");
        let prefix = Prefix::read(text.as_bytes()).unwrap();
        assert_eq!((prefix.seq, prefix.prev()), (1209, hex.parse().ok()));
    }

    #[test]
    fn nothing_else_passes_for_one() {
        let hex = "0".repeat(64);
        let kind = "a".repeat(64);
        assert!(Prefix::read(line("0", TIME, &hex, &kind).as_bytes()).is_some());
        for bad in [
            line("", TIME, &hex, "x"),
            line("01", TIME, &hex, "x"),
            line("-1", TIME, &hex, "x"),
            line(&"1".repeat(20), TIME, &hex, "x"),
            line("1", "2026-11-21T07:00:00.12345Z", &hex, "x"),
            line("1", "2026-11-21 07:00:00.123456Z", &hex, "x"),
            line("1", TIME, "00", "x"),
            line("1", TIME, &hex, ""),
            line("1", TIME, &hex, "A"),
            line("1", TIME, &hex, &"a".repeat(65)),
            line("1", TIME, &hex, "x").replace(":1,\"s", ":2,\"s"),
            format!(" {}", line("1", TIME, &hex, "x")),
        ] {
            assert_eq!(Prefix::read(bad.as_bytes()), None, "{bad}");
        }
        let upper = line("1", TIME, &"A".repeat(64), "x");
        assert_eq!(Prefix::read(upper.as_bytes()).unwrap().prev(), None);
    }

    #[test]
    fn every_cut_of_a_prefix_is_refused_without_a_panic() {
        let text = line("7", TIME, &"0".repeat(64), "broker.stopped");
        let whole = text.find(r#","x""#).unwrap();
        for end in 0..text.len() {
            let read = Prefix::read(text.as_bytes().get(..end).unwrap());
            assert_eq!(read.is_some(), end >= whole, "cut at {end}");
        }
    }
}
