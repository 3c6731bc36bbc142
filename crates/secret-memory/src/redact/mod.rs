//! The last line of defence: masks what has the shape of a credential in whatever is written.
//!
//! The first line is that a secret is a type which cannot be printed. This one is for what comes
//! from outside with a token inside: an error from GitHub or `op`, a caller's words, a panic.
//! Shapes are GitHub's documented prefixes, 1Password's service account tokens, JSON web tokens,
//! private keys in PEM, and any of them inside Base64, as git sends them (`Basic …`).
//!
//! It errs on the side of masking, and it has gaps: GitHub's tokens of before April 2021 look like
//! a commit's hash, and are let through as one; a secret of another make has no shape we know.
//!
//! Not here: deciding whether a token is genuine. A shape is not a checksum.

mod shape;
mod writer;

use std::borrow::Cow;

use broker_protocol::printable::is_hidden;

pub use shape::TokenKind;
pub use writer::{Format, Masked, Redacting, TracingError, init_tracing, install_panic_hook};

/// The text with every credential in it replaced. A known prefix is left to tell what it was.
#[must_use]
pub fn mask(text: &[u8]) -> Cow<'_, [u8]> {
    let mut masked = Vec::new();
    let mut done = 0;
    for found in shape::all(text) {
        masked.extend_from_slice(text.get(done..found.start).unwrap_or_default());
        masked.extend_from_slice(found.prefix);
        masked.extend_from_slice(MASK);
        done = found.end;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    masked.extend_from_slice(text.get(done..).unwrap_or_default());
    Cow::Owned(masked)
}

/// What another program says, as it may be shown: masked, on one line, without characters that a reader does
/// not see, and cut to so many characters. It ends up in a terminal and in the audit log.
#[must_use]
pub fn words(text: &str, most: usize) -> String {
    let masked = mask(text.as_bytes());
    let masked = str::from_utf8(&masked).unwrap_or_default();
    let seen = masked.chars().filter(|c| c.is_control() || !is_hidden(*c));
    let words = seen.map(|c| if c.is_control() { ' ' } else { c });
    words.take(most).collect::<String>().trim().to_owned()
}

/// Whether there is a credential anywhere in the text.
#[must_use]
pub fn looks_like_token(text: &str) -> bool {
    shape::all(text.as_bytes()).next().is_some()
}

/// What kind of credential the text is, by its form alone, if it is one from end to end.
#[must_use]
pub fn kind_of(text: &str) -> Option<TokenKind> {
    shape::whole(text.as_bytes())
}

const MASK: &[u8] = b"[masked]";

#[cfg(test)]
mod tests;
