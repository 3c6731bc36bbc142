//! Masks what looks like a token in what a program prints about its arguments.
//!
//! A secret is never an argument. One that is passed by mistake, such as where a file name belongs, is not
//! repeated: standard error ends up in logs. An argument or a word of it that is a token by its first
//! characters is masked wherever it is repeated, however short it is. A long text with such a beginning
//! is masked wherever it stands.
//!
//! Not here: what comes from GitHub or another program (that is `broker_secret_memory::redact`).

use std::ffi::OsString;

use crate::token_shape::{self, Shape};

/// Returns the text with every token masked that these arguments, or the text itself, hold.
#[must_use]
pub fn masked(text: &str, arguments: impl IntoIterator<Item = OsString>) -> String {
    let mut text = without_tokens(text);
    let arguments = arguments.into_iter();
    for argument in arguments.filter_map(|argument| argument.into_string().ok()) {
        let words = argument.split(|c| !token_shape::is_part(c));
        for part in std::iter::once(&*argument).chain(words) {
            if is_token(part) {
                text = text.replace(part, MASK);
            }
        }
    }
    text
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
            let after = body.trim_start_matches(token_shape::is_part);
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
    use super::*;

    fn mask(text: &str, arguments: &[&str]) -> String {
        masked(text, arguments.iter().map(OsString::from))
    }

    #[test]
    fn an_argument_that_is_a_token_is_masked_wherever_it_is_repeated() {
        let hex = "0123456789abcdef0123456789abcdef01234567";
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
        let text = mask(&format!("cannot read {hex}"), &[hex]);
        assert_eq!(text, "cannot read [masked]");
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        assert_eq!(mask(&format!("no `{pem}`"), &[pem]), "no `[masked]`");
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
    }
}
