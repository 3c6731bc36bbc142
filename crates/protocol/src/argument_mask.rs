//! Masks what looks like a token in what a program prints about its arguments.
//!
//! A secret is never an argument. One that is passed by mistake, such as where a file name belongs, is not
//! repeated: standard error ends up in logs. An argument or a word of it that is a token by its first
//! characters is masked wherever it is repeated, however short it is; so are a classic token without a prefix
//! inside a longer word, and a word that holds a token once its `%5F` and the like are decoded. A long text with
//! such a beginning is masked wherever it stands.
//!
//! Not here: what comes from GitHub or another program (that is `broker_secret_memory::redact`).

use std::ffi::OsString;
use std::iter;

use crate::token_shape::{self, Shape};

/// Returns the text with every token masked that these arguments, or the text itself, hold.
#[must_use]
pub fn masked(text: &str, arguments: impl IntoIterator<Item = OsString>) -> String {
    let mut text = without_tokens(text);
    for argument in arguments {
        // As a text prints what is not UTF-8: U+FFFD stands for it, which is no part of a word.
        let argument = argument.display().to_string();
        let whole = iter::once(&*argument).filter(|whole| is_token(whole));
        let encoded = argument
            .split(|c| c != '%' && !token_shape::is_part(c))
            .filter(|word| word.contains('%') && parts(&decoded(word)).any(is_token));
        let plain = parts(&argument).filter(|part| is_token(part));
        // The longest first: what is masked is not found again.
        for token in whole.chain(encoded).chain(plain) {
            text = text.replace(token, MASK);
        }
    }
    text
}

/// The words of a text, then its runs of hexadecimal digits: a classic token has 40 of them and no prefix, so
/// that no word shows where it begins.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c| !token_shape::is_part(c));
    words.chain(text.split(|c: char| !c.is_ascii_hexdigit()))
}

/// The text with `%5F` and the like decoded. What is not ASCII comes out wrong, and is in no token.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escape = piece.split_at_checked(2).and_then(|(digits, after)| {
            let byte = u8::from_str_radix(digits, 16).ok()?;
            Some((char::from(byte), after))
        });
        let (c, after) = escape.unwrap_or(('%', piece));
        decoded.push(c);
        decoded.push_str(after);
    }
    decoded
}

/// Whether a text is a token by its first characters.
fn is_token(text: &str) -> bool {
    let prefixes = &token_shape::PREFIXES;
    token_shape::of(text) != Shape::Unknown || prefixes.iter().any(|one| text.starts_with(one))
}

/// The text with a mask behind every known prefix that has the rest of a token behind it.
fn without_tokens(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let token = token_shape::PREFIXES.iter().find_map(|prefix| {
            let body = rest.strip_prefix(prefix)?;
            let after = body.trim_start_matches(|c| c == '%' || token_shape::is_part(c));
            let is_one = body.len() - after.len() >= SHORTEST_BODY;
            (is_one && token_shape::may_follow(&masked)).then_some((*prefix, after))
        });
        if let Some((prefix, after)) = token {
            masked.push_str(prefix);
            masked.push_str(MASK);
            rest = after;
        } else {
            masked.push(next);
            rest = rest.strip_prefix(next).unwrap_or_default();
        }
    }
    masked
}

const MASK: &str = "[masked]";

/// Well below what any token has, and above what a name or a file's ending has.
const SHORTEST_BODY: usize = 16;

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    /// A classic token of the time before prefixes.
    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

    fn mask(text: &str, arguments: &[&str]) -> String {
        masked(text, arguments.iter().map(OsString::from))
    }

    #[test]
    fn an_argument_that_is_a_token_is_masked_wherever_it_is_repeated() {
        for argument in [
            "ghp_value",
            "--value-file=ghp_value",
            "./ghp_value",
            "/home/alice/ghp_value",
            "op://Tokens/ghp_value/credential",
            "Bearer ghp_value",
        ] {
            let text = mask(
                &format!("cannot read {argument}: no such file"),
                &[argument],
            );
            assert!(
                !text.contains("ghp_value") && text.contains("[masked]"),
                "{text}"
            );
        }
        let text = mask(&format!("cannot read {HEX}"), &[HEX]);
        assert_eq!(text, "cannot read [masked]");
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        assert_eq!(mask(&format!("no `{pem}`"), &[pem]), "no `[masked]`");
    }

    #[test]
    fn a_classic_token_is_masked_also_inside_a_longer_word_of_an_argument() {
        for (before, after) in [("x", ""), ("foo_", ".git"), ("--x=y-", "z"), ("é", "é")] {
            let argument = format!("{before}{HEX}{after}");
            let text = mask(&format!("cannot read {argument}"), &[&argument]);
            assert_eq!(text, format!("cannot read {before}[masked]{after}"));
            assert_eq!(mask(&format!("no {HEX}"), &[&argument]), "no [masked]");
        }
        // More digits than a token has are another hash.
        let longer = format!("{HEX}01");
        assert_eq!(mask(&longer, &[&longer]), longer);
    }

    #[test]
    fn a_token_in_an_argument_that_is_not_utf_8_is_masked_as_the_text_prints_it() {
        for (argument, want) in [
            (&b"/\xff/ghp_value"[..], "/\u{fffd}/[masked]"),
            (b"/home/ghp_value\xff/a", "/home/[masked]\u{fffd}/a"),
            (b"ghp_val\xffue", "[masked]"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            let argument = OsString::from_vec(argument.to_vec());
            let text = format!("cannot read {}", argument.display());
            assert_eq!(masked(&text, [argument]), format!("cannot read {want}"));
        }
    }

    #[test]
    fn a_percent_encoded_token_in_an_argument_is_masked_as_it_is_written() {
        for (argument, want) in [
            ("ghp%5Fvalue", "[masked]"),
            ("--file=/home/ghp%5fval%75e/a", "--file=/home/[masked]/a"),
            ("ghp_val%2Due", "[masked]"),
            ("https%3A%2F%2Fgho%5Fvalue%40x", "[masked]"),
            (&format!("a/x%5F{HEX}"), "a/[masked]"),
            ("gho_0123456789abcdef%5Fvalue", "gho_[masked]"),
            ("100% of %é %zz %5", "100% of %é %zz %5"),
        ] {
            let text = mask(&format!("no `{argument}`"), &[argument]);
            assert_eq!(text, format!("no `{want}`"));
        }
    }

    #[test]
    fn a_whole_token_is_masked_also_where_no_argument_has_it() {
        for prefix in token_shape::PREFIXES {
            for before in ["héllo ", "=", "x-", "a\\n"] {
                let text = mask(&format!("{before}{prefix}0123456789abcdef0123."), &[]);
                assert_eq!(text, format!("{before}{prefix}[masked]"));
            }
        }
    }

    #[test]
    fn an_argument_with_any_prefix_is_masked_however_short_it_is() {
        for prefix in token_shape::PREFIXES {
            let argument = format!("{prefix}x");
            let text = mask(&format!("cannot read {argument}"), &[&argument]);
            assert_eq!(text, "cannot read [masked]");
        }
    }

    #[test]
    fn a_prefix_in_the_middle_of_a_word_is_none() {
        for word in [
            "devops_configuration_of_team",
            "laughs_at_everything_at_once",
        ] {
            assert_eq!(mask(word, &[word]), word);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let text =
            "cannot read ~/.github_pat_old: it is a proxy token (`tkp_`); head e212ad5427086367";
        assert_eq!(mask(text, &["import", "~/.github_pat_old", "é"]), text);
        let commit = format!("commit {HEX}");
        assert_eq!(mask(&commit, &["show", "x%20y"]), commit);
    }
}
