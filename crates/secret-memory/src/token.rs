//! Secrets in the clear, as types that can do almost nothing.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_protocol::as_read;
use broker_protocol::value_form::{self, BadValue};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

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

    /// Takes these bytes for a token as they are, such as those that were sealed; `None`, and they are
    /// wiped, if they are no text.
    #[must_use]
    pub fn from_utf8(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        as_read::text_of(bytes).ok().map(Self)
    }

    /// Takes a text that was read for the value of a secret: cleaned, and checked.
    ///
    /// # Errors
    ///
    /// [`BadValue`], and the text is wiped.
    pub fn read(text: String) -> Result<Self, BadValue> {
        let mut value = Self::new(text);
        as_read::clean(&mut value.0);
        value_form::check(&value.0)?;
        Ok(value)
    }

    /// The same of bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, BadValue> {
        let mut text = as_read::text_of(bytes)?;
        Self::read(std::mem::take(&mut *text))
    }

    /// A second one of it, for a task that takes a token for good.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(self.0.clone())
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
    /// The hash of a token outside of an [`AccessToken`].
    pub fn of(token: &[u8]) -> Self {
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
    fn what_was_read_is_cleaned_looked_at_and_taken_or_refused() {
        let read = |bytes: &[u8]| {
            let read = AccessToken::read_bytes(Zeroizing::new(bytes.to_vec()));
            read.map(|value| value.expose().to_owned())
        };
        for bytes in [
            &b"ghp_a"[..],
            b"ghp_a\n",
            b"ghp_a\r\n",
            b"\xef\xbb\xbfghp_a\r\n",
        ] {
            assert_eq!(read(bytes), Ok("ghp_a".to_owned()));
        }
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----";
        assert_eq!(read(format!("{pem}\n").as_bytes()), Ok(pem.to_owned()));
        assert_eq!(read(b"\n"), Err(BadValue::Empty));
        assert_eq!(read(b"login\nghp_a\n"), Err(BadValue::SeveralLines));
        assert_eq!(read(b"ghp_\xff"), Err(BadValue::NotText));
        assert_eq!(read(b"\xff\xfeg\0"), Err(BadValue::Utf16));
        assert_eq!(
            read(&[b'a'; value_form::LONGEST + 1]),
            Err(BadValue::TooLong)
        );
    }

    #[test]
    fn the_hash_is_the_one_github_writes() {
        // printf 'abc' | openssl dgst -sha256 -binary | base64
        let want = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(AccessToken::new("abc".to_owned()).hashed().as_str(), want);
    }
}
