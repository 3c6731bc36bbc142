//! The form of a value: one line of printable ASCII without blanks or quotes around it, or PEM.
//!
//! All tokens of GitHub (“About authentication to GitHub”), its PEM files and the tokens of 1Password have
//! it. Anything else was damaged by copying, an editor or a spreadsheet, and GitHub would refuse it. Errors
//! name the position and never quote the value.
//!
//! Not here: whether a value is of a declared kind ([`token_shape`] says what it looks like). A proxy
//! token is of none.

use std::fmt;

use crate::token_shape::{self, Shape};

/// The longest value, in bytes: as JSON it must fit a request of 64 KiB.
pub const LONGEST: usize = 48 * 1024;

/// Why a text is not a value. The message follows a subject: `it {}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadValue {
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// More than any value has.
    #[error("is longer than 48 KiB, the most a value may have")]
    TooLong,
    /// Bytes that are not text.
    #[error("is not UTF-8 text")]
    NotText,
    /// Text in UTF-16.
    #[error("is UTF-16 text, as PowerShell writes it; save it as UTF-8")]
    Utf16,
    /// Several lines that are not PEM.
    #[error("has several lines and is not PEM")]
    SeveralLines,
    /// A quote at its beginning.
    #[error("begins with a quote, which is not part of a value")]
    OpeningQuote,
    /// A quote at its end, in characters from 1.
    #[error("ends with a quote, at character {0}, which is not part of a value")]
    ClosingQuote(usize),
    /// `NAME=value`, and where the value begins, in characters from 1.
    #[error("has the form NAME=value; the value alone begins at character {0}")]
    Assignment(usize),
    /// PEM whose line ends are written out as `\n`.
    #[error(
        "has its line ends written out with a backslash, from character {0}; take the .pem file itself"
    )]
    EscapedLines(usize),
    /// A token that a broker made, and that GitHub does not know.
    #[error(
        "is a proxy token (`tkp_`), which only the broker that made it honours; take the token from GitHub"
    )]
    ProxyToken,
    /// A character that no value has.
    #[error("has {0} {1}")]
    Has(BadCharacter, Position),
}

/// A character that no value has. Displays as what it is, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCharacter {
    /// A byte order mark.
    #[error("a byte order mark (U+FEFF)")]
    ByteOrderMark,
    /// A zero-width space.
    #[error("a zero-width space (U+200B)")]
    ZeroWidthSpace,
    /// Another invisible character, by its code point.
    #[error("an invisible character (U+{0:04X})")]
    Invisible(u32),
    /// A quote as word processors make them.
    #[error("a typographic quote")]
    SmartQuote,
    /// As in a list, or in place of what is hidden.
    #[error("a bullet, as in a list or where a value is hidden")]
    Bullet,
    /// A space, a tab or another blank.
    #[error("a blank")]
    Blank,
    /// A NUL byte.
    #[error("a NUL byte")]
    Nul,
    /// Another control character, by its code point.
    #[error("a control character (U+{0:04X})")]
    Control(u32),
    /// Anything else.
    #[error("a character that is not printable ASCII")]
    NotAscii,
}

/// A position in a text; line and character count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub character: usize,
}

/// Checks the text of a value as [`as_read`](crate::as_read) leaves it.
///
/// # Errors
///
/// [`BadValue`]: what is wrong, and where.
pub fn check(text: &str) -> Result<(), BadValue> {
    if text.is_empty() {
        return Err(BadValue::Empty);
    }
    if text.len() > LONGEST {
        return Err(BadValue::TooLong);
    }
    if is_pem(text) {
        return pem(text);
    }
    if text.starts_with(QUOTES) {
        return Err(BadValue::OpeningQuote);
    }
    if token_shape::of(text) == Shape::Proxy {
        return Err(BadValue::ProxyToken);
    }
    if let Some(begins) = assigned(text) {
        return Err(BadValue::Assignment(begins));
    }
    if let Some((character, odd)) = (1..).zip(text.chars()).find(|(_, c)| !c.is_ascii_graphic()) {
        return Err(match odd {
            '\n' => BadValue::SeveralLines,
            '\r' if text.contains('\n') => BadValue::SeveralLines,
            odd => Position { line: 1, character }.has(odd),
        });
    }
    if text.ends_with(QUOTES) {
        return Err(BadValue::ClosingQuote(text.chars().count()));
    }
    Ok(())
}

/// Says why bytes that are not UTF-8 are not a value.
#[must_use]
pub fn of_no_text(bytes: &[u8]) -> BadValue {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return BadValue::Utf16;
    }
    BadValue::NotText
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// Blanks stand within its lines, and around them.
fn pem(text: &str) -> Result<(), BadValue> {
    for (line, text) in (1..).zip(text.split('\n')) {
        for (character, c) in (1..).zip(text.chars()) {
            match c {
                '\\' => return Err(BadValue::EscapedLines(character)),
                '\r' | '\t' | ' '..='~' => {}
                odd => return Err(Position { line, character }.has(odd)),
            }
        }
    }
    Ok(())
}

/// Where the value of `NAME=value` begins. Padding as in Base64 is no value.
fn assigned(text: &str) -> Option<usize> {
    let (name, value) = text.split_once('=')?;
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_value = !value.trim_matches('=').is_empty();
    let is_assignment = is_name && name.chars().all(word) && is_value;
    is_assignment.then(|| text.chars().take_while(|c| *c != '=').count() + 2)
}

/// Whether a character takes no room on a screen: marks of order and direction, joiners, soft hyphens,
/// Unicode's own line ends.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

impl BadCharacter {
    fn of(c: char) -> Self {
        match c {
            '\u{feff}' => Self::ByteOrderMark,
            '\u{200b}' => Self::ZeroWidthSpace,
            c if is_invisible(c) => Self::Invisible(c.into()),
            '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2039}' | '\u{203a}' => {
                Self::SmartQuote
            }
            '\u{2022}' | '\u{2023}' | '\u{2043}' | '\u{25cf}' | '\u{25e6}' | '\u{25aa}'
            | '\u{b7}' => Self::Bullet,
            '\0' => Self::Nul,
            c if c.is_control() && c != '\t' => Self::Control(c.into()),
            c if c.is_whitespace() => Self::Blank,
            _ => Self::NotAscii,
        }
    }
}

impl Position {
    fn has(self, odd: char) -> BadValue {
        BadValue::Has(BadCharacter::of(odd), self)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            1 => write!(f, "at character {}", self.character),
            line => write!(f, "in line {line}, at character {}", self.character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMII+/=\n-----END RSA PRIVATE KEY-----";

    #[test]
    fn values_of_todays_kinds_are_taken() {
        for value in [
            "ghp_made_up",
            "github_pat_11AAAA_made_up",
            "0123456789abcdef0123456789abcdef01234567",
            "ops_eyJhbGciOi",
            "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl-_",
            "cGFkZGVk==",
            "a=",
            "some/thing+new=else",
            PEM,
        ] {
            assert_eq!(check(value), Ok(()), "{value}");
        }
        let windows = PEM.replace('\n', "\r\n");
        assert_eq!(check(&format!("\n{windows}\r\n")), Ok(()));
    }

    #[test]
    fn what_is_no_value_is_refused_by_what_it_is_and_where_and_never_quoted() {
        for (text, what) in [
            (
                "\u{feff}ghp_a",
                "has a byte order mark (U+FEFF) at character 1",
            ),
            (
                "ghp\u{200b}_a",
                "has a zero-width space (U+200B) at character 4",
            ),
            (
                "ghp_a\u{ad}",
                "has an invisible character (U+00AD) at character 6",
            ),
            (
                "\u{201c}ghp_a\u{201d}",
                "has a typographic quote at character 1",
            ),
            (
                "\"ghp_a\"",
                "begins with a quote, which is not part of a value",
            ),
            (
                "'ghp_a",
                "begins with a quote, which is not part of a value",
            ),
            (
                "ghp_a'",
                "ends with a quote, at character 6, which is not part of a value",
            ),
            (
                "\"-----BEGIN X-----\nA\n-----END X-----\"",
                "begins with a quote",
            ),
            (" ghp_a", "has a blank at character 1"),
            ("ghp_a\t", "has a blank at character 6"),
            ("ghp_a\u{a0}", "has a blank at character 6"),
            ("- ghp_a", "has a blank at character 2"),
            (
                "\u{2022} ghp_a",
                "has a bullet, as in a list or where a value is hidden at",
            ),
            ("\u{2022}\u{2022}\u{2022}", "has a bullet"),
            (
                "TOKEN=ghp_a",
                "NAME=value; the value alone begins at character 7",
            ),
            (
                "export TOKEN=ghp_a",
                "NAME=value; the value alone begins at character 14",
            ),
            (
                "TOKEN=\"ghp_a\"",
                "NAME=value; the value alone begins at character 7",
            ),
            (
                "ghp_a\u{1b}[0m",
                "has a control character (U+001B) at character 6",
            ),
            ("ghp_a\0", "has a NUL byte at character 6"),
            ("tkp_ghp_made_up", "is a proxy token (`tkp_`), which only"),
            (
                "ghp_ä",
                "has a character that is not printable ASCII at character 5",
            ),
            ("ghp_a\r", "has a control character (U+000D) at character 6"),
            ("login\nghp_a", "has several lines and is not PEM"),
            ("ghp_a\r\n", "has several lines and is not PEM"),
            ("", "is empty"),
            (
                "-----BEGIN X-----\\nAA\\n-----END X-----",
                "from character 18; take the .pem",
            ),
        ] {
            let told = check(text).unwrap_err().to_string();
            assert!(told.contains(what), "{text:?}: {told}");
            assert!(!told.contains("ghp"), "{told}");
        }
        let odd = PEM.replace("MII", "M\u{200b}I");
        let told = check(&odd).unwrap_err().to_string();
        assert_eq!(
            told,
            "has a zero-width space (U+200B) in line 2, at character 2"
        );
        assert_eq!(check(&"x".repeat(LONGEST + 1)), Err(BadValue::TooLong));
        assert_eq!(of_no_text(b"\xff\xfeg\0h\0"), BadValue::Utf16);
        assert_eq!(of_no_text(b"gh\xff"), BadValue::NotText);
    }

    proptest! {
        #[test]
        fn what_is_taken_in_one_line_can_stand_in_a_header(text in "\\PC{0,60}") {
            if check(&text).is_ok() {
                prop_assert!(text.chars().all(|c| matches!(c, '!'..='~')) || text.starts_with("-----BEGIN "));
            }
        }
    }
}
