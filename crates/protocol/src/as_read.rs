//! The rule for every passphrase and value that is read from a file, a pipe, a terminal, the body of a
//! request or a source.
//!
//! A byte order mark at the beginning and one line end at the end are not part of it: editors and shells
//! add them, and whoever types the same text later cannot. `tokend` and `tokenctl` both go by this.
//!
//! Not here: what a value may look like (that is [`value_form`]).

use std::io::{self, Read};

use zeroize::{Zeroize as _, Zeroizing};

use crate::value_form::{self, BadValue, is_invisible};

/// What UTF-8 files of some editors begin with.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads to the end, but not more than one byte beyond what a value may have, and leaves no copy behind.
///
/// # Errors
///
/// What the system says.
pub fn read_to_end(input: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // The whole capacity at once: a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(value_form::LONGEST + 1));
    let mut input = input.take(value_form::LONGEST as u64 + 1);
    input.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes bytes for text, and leaves no copy behind.
///
/// # Errors
///
/// [`BadValue`]: they are not UTF-8.
pub fn text_of(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, BadValue> {
    String::from_utf8(std::mem::take(&mut *bytes))
        .map(Zeroizing::new)
        .map_err(|error| value_form::of_no_text(&Zeroizing::new(error.into_bytes())))
}

/// Returns the text without a byte order mark at its beginning and one line end (LF or CRLF) at its end.
#[must_use]
pub fn cleaned(text: &str) -> &str {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let without = text.strip_suffix('\n');
    without.map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

/// Does the same for bytes that may not be text.
#[must_use]
pub fn cleaned_bytes(bytes: &[u8]) -> &[u8] {
    let mark = BYTE_ORDER_MARK.as_bytes();
    let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
    let without = bytes.strip_suffix(b"\n");
    without.map_or(bytes, |bytes| bytes.strip_suffix(b"\r").unwrap_or(bytes))
}

/// Does the same in place, and leaves no copy behind.
pub fn clean(text: &mut String) {
    let kept = Zeroizing::new(cleaned(text).to_owned());
    // Its memory is wiped and stays, and it has room for less than was in it.
    text.zeroize();
    text.push_str(&kept);
}

/// Returns what a passphrase that was read may mean, the likeliest first: by the rule; without one LF, as
/// `tokend` read it before there was a rule; unchanged. So passphrases that were set earlier still work.
pub fn readings(text: &str) -> impl Iterator<Item = &str> {
    let by_the_rule = cleaned(text);
    let before = text.strip_suffix('\n').unwrap_or(text);
    let before = Some(before).filter(|before| *before != by_the_rule);
    let whole = Some(text).filter(|text| *text != by_the_rule && Some(*text) != before);
    [Some(by_the_rule), before, whole].into_iter().flatten()
}

/// Fewest characters a new passphrase may have.
const SHORTEST_PASSPHRASE: usize = 12;

/// Why a new passphrase is refused, without anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassphrase {
    /// It can be guessed.
    #[error("needs at least {SHORTEST_PASSPHRASE} characters")]
    TooShort,
    /// It could not be typed again.
    #[error(
        "has {} character (U+{code:04X}) at character {at}, which no keyboard types again; leave it out",
        if char::from_u32(*code).is_some_and(is_invisible) { "an invisible" } else { "a control" }
    )]
    Untypable {
        /// The first such character's code point.
        code: u32,
        /// Where it is, in characters from 1.
        at: usize,
    },
}

/// Cleans the text of a new passphrase.
///
/// # Errors
///
/// [`UnfitPassphrase`].
pub fn new_passphrase(text: &str) -> Result<&str, UnfitPassphrase> {
    let text = cleaned(text);
    let mut characters = (1..).zip(text.chars());
    let untypable =
        |(_, character): &(usize, char)| character.is_control() || is_invisible(*character);
    if let Some((at, character)) = characters.find(untypable) {
        let code = character.into();
        return Err(UnfitPassphrase::Untypable { code, at });
    }
    if text.chars().count() < SHORTEST_PASSPHRASE {
        return Err(UnfitPassphrase::TooShort);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As read, and as the rule takes it.
    const CASES: [(&str, &str); 9] = [
        ("a passphrase", "a passphrase"),
        ("a passphrase\n", "a passphrase"),
        ("a passphrase\r\n", "a passphrase"),
        ("a passphrase\n\n", "a passphrase\n"),
        ("a passphrase\r", "a passphrase\r"),
        ("\u{feff}a passphrase\r\n", "a passphrase"),
        ("\u{feff}\u{feff}a", "\u{feff}a"),
        ("\r\n", ""),
        ("", ""),
    ];

    #[test]
    fn a_byte_order_mark_and_one_line_end_are_dropped_and_no_more() {
        for (read, wanted) in CASES {
            assert_eq!(cleaned(read), wanted, "{read:?}");
            assert_eq!(cleaned_bytes(read.as_bytes()), wanted.as_bytes());
            let mut own = read.to_owned();
            clean(&mut own);
            assert_eq!(own, wanted, "{read:?}");
        }
        assert_eq!(cleaned_bytes(b"\xff\xfea\n"), b"\xff\xfea");
    }

    #[test]
    fn a_passphrase_is_tried_by_the_rule_first_and_then_as_it_was_read() {
        for (read, wanted) in [
            ("a", vec!["a"]),
            ("a\n", vec!["a", "a\n"]),
            ("a\r\n", vec!["a", "a\r", "a\r\n"]),
            ("a\r", vec!["a\r"]),
            ("\u{feff}a\n", vec!["a", "\u{feff}a", "\u{feff}a\n"]),
            ("\u{feff}a", vec!["a", "\u{feff}a"]),
        ] {
            assert_eq!(readings(read).collect::<Vec<_>>(), wanted, "{read:?}");
        }
    }

    #[test]
    fn a_new_passphrase_is_refused_by_its_length_or_by_the_place_of_a_control_character_alone() {
        assert_eq!(new_passphrase("größer als 1\r\n"), Ok("größer als 1"));
        assert_eq!(
            new_passphrase("größer als\r\n"),
            Err(UnfitPassphrase::TooShort)
        );
        for (read, code, at) in [
            ("ab\rc", 0x0d, 3),
            ("é\u{1b}[200~x", 0x1b, 2),
            ("a\n\n", 0x0a, 2),
            ("correct horse\u{200b}\n", 0x200b, 14),
            ("\u{feff}\u{feff}correct horse", 0xfeff, 1),
            ("a\u{2028}b", 0x2028, 2),
        ] {
            let refused = new_passphrase(read).unwrap_err();
            assert_eq!(refused, UnfitPassphrase::Untypable { code, at }, "{read:?}");
        }
        let text = new_passphrase("correct\u{200b}").unwrap_err().to_string();
        assert!(text.contains("an invisible character (U+200B)"), "{text}");
        let text = new_passphrase("secret\tsecret").unwrap_err().to_string();
        assert!(
            text.contains("(U+0009) at character 7") && !text.contains("secret"),
            "{text}"
        );
    }
}
