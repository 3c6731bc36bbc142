//! What credentials look like.
//!
//! A shape has a prefix and a body of certain bytes, at least so many. What stands before it does
//! not matter: a token glued to other text is a token. Lengths are lower bounds well below the real
//! ones, because GitHub has changed them before and a token cut short is still most of a token.
//!
//! Sources: GitHub's “About authentication to GitHub”, its changelog of 24 April 2026 on longer
//! installation tokens (which contain `.`, `_` and `-`), and RFC 7468 for PEM.

/// A kind of credential that its form identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// A classic personal access token, `ghp_…`.
    Classic,
    /// A fine-grained personal access token, `github_pat_…`.
    FineGrained,
    /// What an OAuth app holds for a user, `gho_…`.
    OAuth,
    /// What an App holds for a user, `ghu_…`.
    AppUser,
    /// An installation token, or the one of a GitHub Actions run, `ghs_…`.
    Installation,
    /// What an App gets new user tokens with, `ghr_…`.
    Refresh,
    /// A private key in PEM, such as an App's.
    PrivateKey,
    /// A JSON web token, such as the one an App signs to speak for itself.
    Jwt,
    /// A 1Password service account's token, `ops_…`.
    ServiceAccount,
    /// A proxy token of this program, `tkp_…`.
    Proxy,
}

impl TokenKind {
    /// The kind in words, for “this looks like …”.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "a classic personal access token",
            Self::FineGrained => "a fine-grained personal access token",
            Self::OAuth => "a token of an OAuth app",
            Self::AppUser => "a user token of a GitHub App",
            Self::Installation => "an installation token",
            Self::Refresh => "a refresh token of a GitHub App",
            Self::PrivateKey => "a private key",
            Self::Jwt => "a JSON web token",
            Self::ServiceAccount => "a 1Password service account token",
            Self::Proxy => "a proxy token",
        }
    }
}

/// A credential found in a text.
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What may stay to tell what it was.
    pub(super) prefix: &'static [u8],
}

/// All credentials in a text, in order, none within another.
pub(super) fn all(text: &[u8]) -> impl Iterator<Item = Match> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let start = at;
            let inside_run = start
                .checked_sub(1)
                .and_then(|i| text.get(i))
                .is_some_and(is_base64);
            let found = match plain(rest) {
                Some((shape, length)) => Some((shape.prefix, length)),
                None if inside_run => None,
                None => encoded(rest).map(|length| (&b""[..], length)),
            };
            if let Some((prefix, length)) = found {
                at += length;
                return Some(Match {
                    start,
                    end: at,
                    prefix,
                });
            }
            at += 1;
        }
        None
    })
}

/// The kind of a text that is one credential and nothing else but white space around it.
pub(super) fn whole(text: &[u8]) -> Option<TokenKind> {
    let text = text.trim_ascii();
    let (shape, length) = plain(text)?;
    (length == text.len()).then_some(shape.kind)
}

struct Shape {
    kind: TokenKind,
    prefix: &'static [u8],
    /// How long the credential is that follows the prefix; `None` if none does.
    body: fn(&[u8]) -> Option<usize>,
}

const SHAPES: &[Shape] = &[
    shape(TokenKind::Classic, b"ghp_", token),
    shape(TokenKind::FineGrained, b"github_pat_", token),
    shape(TokenKind::OAuth, b"gho_", token),
    shape(TokenKind::AppUser, b"ghu_", token),
    shape(TokenKind::Installation, b"ghs_", token),
    shape(TokenKind::Refresh, b"ghr_", token),
    shape(TokenKind::ServiceAccount, b"ops_", service_account),
    shape(
        TokenKind::Proxy,
        crate::proxy_token::PREFIX.as_bytes(),
        token,
    ),
    shape(TokenKind::Jwt, b"eyJ", jwt),
    shape(TokenKind::PrivateKey, b"-----BEGIN ", private_key),
];

const fn shape(kind: TokenKind, prefix: &'static [u8], body: fn(&[u8]) -> Option<usize>) -> Shape {
    Shape { kind, prefix, body }
}

/// The credential that a text begins with, and its length.
fn plain(text: &[u8]) -> Option<(&'static Shape, usize)> {
    SHAPES.iter().find_map(|shape| {
        let body = text.strip_prefix(shape.prefix)?;
        Some((shape, shape.prefix.len() + (shape.body)(body)?))
    })
}

fn token(body: &[u8]) -> Option<usize> {
    let length = run(body, |byte| {
        byte.is_ascii_alphanumeric() || b"_.-".contains(byte)
    });
    // A full stop at the end is the sentence's.
    let token = body.get(..length)?;
    let stops = token.iter().rev().take_while(|byte| **byte == b'.').count();
    (length - stops >= 20).then_some(length - stops)
}

/// Base64 of a JSON object.
fn service_account(body: &[u8]) -> Option<usize> {
    let length = run(body, |byte| is_base64(byte) || *byte == b'=');
    (body.starts_with(b"eyJ") && length >= 40).then_some(length)
}

/// Three parts of Base64, the first two JSON objects, the last a signature.
fn jwt(body: &[u8]) -> Option<usize> {
    let length = run(body, |byte| is_base64(byte) || *byte == b'.');
    let mut parts = body.get(..length)?.split(|byte| *byte == b'.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_one = header.len() >= 8 && claims.starts_with(b"eyJ") && signature.len() >= 20;
    is_one.then_some(header.len() + claims.len() + signature.len() + 2)
}

/// From the label to the end line, or to the end of the text if that was cut off.
fn private_key(body: &[u8]) -> Option<usize> {
    let label = run(body, |byte| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' '
    });
    let (label, rest) = body.split_at_checked(label)?;
    if !label.ends_with(b"PRIVATE KEY") || !rest.starts_with(b"-----") {
        return None;
    }
    let end = find(rest, b"-----END ").and_then(|end| {
        let line = rest.get(end + b"-----END ".len()..)?;
        Some(end + b"-----END ".len() + find(line, b"-----")? + b"-----".len())
    });
    Some(label.len() + end.unwrap_or(rest.len()))
}

/// The length of the Base64 that a text begins with, if a credential is inside.
///
/// The Base64 may have begun before this credential, and other letters may stand right before it
/// (a path, `user/`), so each of the four ways to cut it into groups is tried.
fn encoded(text: &[u8]) -> Option<usize> {
    let length = run(text, is_base64);
    if length < MIN_ENCODED {
        return None;
    }
    let run_of_it = text.get(..length)?;
    let holds_one = (0..4).any(|skip| {
        let decoded = decode(run_of_it.get(skip..).unwrap_or_default());
        (0..decoded.len()).any(|at| decoded.get(at..).and_then(plain).is_some())
    });
    let padding = text
        .iter()
        .skip(length)
        .take_while(|byte| **byte == b'=')
        .count();
    holds_one.then_some(length + padding)
}

/// Both alphabets of RFC 4648 at once. Bits that fill no byte are dropped.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0_u32;
    let mut count = 0;
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend((bits >> count).to_le_bytes().first());
        }
    }
    bytes
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(byte)
}

fn run(text: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| belongs(byte)).count()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len())
        .position(|window| window == needle)
}

/// Letters: Base64 of the shortest token.
const MIN_ENCODED: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_prefixes_of_tokens_are_those_that_all_else_knows() {
        let others = [TokenKind::Jwt, TokenKind::PrivateKey];
        let tokens = SHAPES.iter().filter(|shape| !others.contains(&shape.kind));
        let here: BTreeSet<_> = tokens.map(|shape| shape.prefix).collect();
        let there = broker_protocol::token_shape::PREFIXES.map(str::as_bytes);
        assert_eq!(here, BTreeSet::from(there));
    }
}
