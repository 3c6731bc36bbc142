//! Text that someone else chose, as a terminal or a line of a log may show it.
//!
//! A caller's `reason`, the words of GitHub or of another program: control characters drive a terminal, marks of
//! direction show a text in another order than it has, and invisible characters make two texts look alike. All of them
//! are written as escapes.

use std::borrow::Cow;

use crate::value_form::is_invisible;

/// The text with such characters as escapes, on one line.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, rust_escape)
}

/// The same, with its line ends as they are.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_hidden(c), rust_escape)
}

/// JSON that means the same and shows what it holds: there they are `\u` escapes. Line ends stay: in JSON they are
/// between its parts alone.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_hidden(c), json_escape)
}

/// `write` writes one of the hidden characters.
fn escaped(
    text: &str,
    hidden: impl Fn(char) -> bool + Copy,
    write: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            write(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn rust_escape(out: &mut String, c: char) {
    out.extend(c.escape_default());
}

fn json_escape(out: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Whether a character controls a terminal, changes the order of those around it, or cannot be seen.
///
/// Source of the ranges: Unicode's property `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), its line ends,
/// and the marks of annotations, which the property leaves out.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    ) || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_drive_a_terminal_or_change_its_order() {
        for (text, shown) in [
            ("plain, naïve, 日本語", "plain, naïve, 日本語"),
            ("\x1b[2J\u{9b}x", "\\u{1b}[2J\\u{9b}x"),
            ("ab\u{202e}cd\u{202c}", "ab\\u{202e}cd\\u{202c}"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            (
                "ro\u{200b}ot\u{200d}\u{feff}",
                "ro\\u{200b}ot\\u{200d}\\u{feff}",
            ),
            ("a\u{61c}\u{180e}\u{e0041}", "a\\u{61c}\\u{180e}\\u{e0041}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(one_line(text), shown);
            assert_eq!(lines(text), shown);
        }
        assert_eq!(one_line("one\ntwo\r"), "one\\ntwo\\r");
        assert_eq!(lines("one\ntwo\r"), "one\ntwo\\r");
    }

    #[test]
    fn json_means_the_same_and_shows_what_it_holds() {
        let text = "{\"reason\":\"a\u{202e}b\u{e0041}\u{7f}\"}\n";
        let shown = json(text);
        assert_eq!(shown, "{\"reason\":\"a\\u202eb\\udb40\\udc41\\u007f\"}\n");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(text));
    }
}
