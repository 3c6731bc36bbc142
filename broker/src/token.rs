//! Secrets in the clear, as types that can do almost nothing.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// A GitHub access token, or another stored secret, in the clear.
///
/// It has no `Debug`, `Display`, `Clone`, `PartialEq` or `Serialize`, on purpose: a token in a
/// trace line, a second copy, a comparison that leaks timing or a token inside a JSON dump are each
/// a compile error. The memory is overwritten on drop.
///
/// The text is opaque: GitHub has changed the length and form of its tokens before.
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// Takes ownership of a token, so that no other copy need remain.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Takes these bytes for a token; `None`, and they are wiped, if they are no text.
    #[must_use]
    pub fn from_utf8(mut bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Some(Self::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }

    /// The token itself.
    ///
    /// There are few callers and each says, in a comment on the line above, where the text goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The name under which this token may appear in records.
    #[must_use]
    pub fn hashed(&self) -> HashedToken {
        HashedToken::of(self.0.as_bytes())
    }
}

/// Base64 SHA-256 of a token: what may be written down. GitHub's own audit log has the same of the
/// credential as `hashed_token`, so the two can be joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashedToken(Arc<str>);

impl HashedToken {
    /// The hash of a token that lies elsewhere than in an [`AccessToken`].
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(STANDARD.encode(Sha256::digest(token)).into())
    }

    /// A hash read from storage.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HashedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(AccessToken: Clone, fmt::Debug, fmt::Display, PartialEq, serde::Serialize);

    #[test]
    fn the_hash_is_the_one_github_writes() {
        // printf 'abc' | openssl dgst -sha256 -binary | base64
        let want = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(AccessToken::new("abc".to_owned()).hashed().as_str(), want);
    }
}
