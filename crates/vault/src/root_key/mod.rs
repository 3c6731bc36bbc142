//! The root key: where it comes from.
//!
//! Which source is in force is written in the vault, in the clear, so that a start never guesses and
//! nothing ever falls back: a source that does not answer is an error that says how to fix it. No
//! source ever makes a new key for a vault that exists. That is decided in [`RootKey::generate`]'s one
//! caller, `tokend init`, before there is a vault.
//!
//! A passphrase does not *become* the key, it wraps it: a changed passphrase re-seals 32 bytes and
//! nothing else, and a recovery passphrase can wrap the same key a second time.
//!
//! Not here: whether a key fits the vault. [`super::Vault::unlock`] finds that out.

use std::io;
use std::path::Path;

use broker_private_files as private;
use broker_protocol::as_read;
use broker_secret_memory::locked_memory::LockedKey;
use zeroize::Zeroizing;

use super::envelope::{self, RootKeyRef};

mod credential;
mod error;
mod file;
mod handover;
mod os_keyring;
mod passphrase;
mod source;
mod wrap;

pub use credential::DEFAULT_NAME as DEFAULT_CREDENTIAL;
pub use error::RootKeyError;
pub(crate) use handover::{offered_credential, read_file};
pub use os_keyring::Keyring;
pub(crate) use passphrase::COSTS;
pub use passphrase::Passphrase;
pub(crate) use source::keyring_entry;
pub use source::{KeyLocations, NotARootKeySource, RootKeySource};
pub use wrap::Wrap;

/// The key that protects the data keys.
pub struct RootKey(LockedKey);

impl RootKey {
    /// A new key from the kernel's generator.
    ///
    /// # Errors
    ///
    /// If the kernel gives no memory or no random numbers.
    pub fn generate() -> Result<Self, RootKeyError> {
        LockedKey::filled(|room| envelope::random(room).map_err(RootKeyError::Random)).map(Self)
    }

    /// The key in what a file or a keyring holds: 64 hexadecimal digits, less what an editor adds, or
    /// the 32 bytes themselves. `place` is where it was, for messages.
    pub(super) fn read(
        content: &[u8],
        place: impl FnOnce() -> String,
    ) -> Result<Self, RootKeyError> {
        if let Ok(raw) = content.try_into() {
            return Self::of(raw);
        }
        // Filled here and wiped here: returned by value it would leave copies on the stack.
        let mut key = Zeroizing::new([0; 32]);
        from_hex(as_read::cleaned_bytes(content), &mut key)
            .ok_or_else(|| RootKeyError::NotAKey { place: place() })?;
        Self::of(&key)
    }

    /// 64 hexadecimal digits and a newline.
    fn to_text(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(65));
        for byte in self.expose() {
            let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
            text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        text.push(b'\n');
        text
    }

    /// A key as its bytes.
    pub(super) fn of(bytes: &[u8; 32]) -> Result<Self, RootKeyError> {
        Ok(Self(LockedKey::copy_of(bytes)?))
    }

    /// Returns a second one, for whoever takes a key by value.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn copy(&self) -> Result<Self, io::Error> {
        LockedKey::copy_of(self.expose()).map(Self)
    }

    pub(super) const fn at_version(&self, version: u32) -> RootKeyRef<'_> {
        let root = self.expose();
        RootKeyRef { root, version }
    }

    pub(super) const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    pub(super) const fn is_in_locked_memory(&self) -> bool {
        self.0.is_locked()
    }
}

/// Reads the key in 64 hexadecimal digits into `room`, which the caller wipes.
fn from_hex(digits: &[u8], room: &mut [u8; 32]) -> Option<()> {
    if digits.len() != 64 {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in room.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(())
}

/// Makes a key and keeps it in a new key file, or reads the one that is there: `init` may have been
/// interrupted after the key was written. Returns whether it was made.
///
/// # Errors
///
/// [`RootKeyError`].
pub fn make_file(path: &Path) -> Result<(RootKey, bool), RootKeyError> {
    match file::read(path) {
        Err(RootKeyError::NoFile(_)) => {
            let key = RootKey::generate()?;
            private::write_new(path, &key.to_text())?;
            Ok((key, true))
        }
        there => there.map(|key| (key, false)),
    }
}

/// Keeps a key that came out of a backup in a new key file, whole or not at all. Returns whether it was
/// made: the same key may be there, from an attempt before this one.
///
/// # Errors
///
/// [`RootKeyError::OtherKey`], and nothing was touched; or if it could not be written.
pub fn put_file(path: &Path, key: &RootKey) -> Result<bool, RootKeyError> {
    match file::read(path) {
        Err(RootKeyError::NoFile(_)) => {
            private::put_new(path, &key.to_text())?;
            Ok(true)
        }
        // Both are keys of ours: no one learns anything from how long this takes.
        Ok(there) if there.expose() == key.expose() => Ok(false),
        Ok(_) | Err(RootKeyError::NotAKey { .. }) => Err(RootKeyError::OtherKey(path.to_owned())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(RootKey: Clone, fmt::Debug, fmt::Display, PartialEq, serde::Serialize);

    #[test]
    fn a_key_reads_back_from_its_text_and_from_its_bytes() {
        let key = RootKey::generate().unwrap();
        let text = key.to_text();
        assert_eq!(text.len(), 65);
        for content in [
            &text[..],
            &text[..64],
            key.expose(),
            &text.to_ascii_uppercase(),
            &[b"\xef\xbb\xbf", &text[..64], b"\r\n"].concat(),
        ] {
            let read = RootKey::read(content, String::new).unwrap();
            assert_eq!(read.expose(), key.expose());
        }
    }

    #[test]
    fn anything_else_is_no_key() {
        let long = "0".repeat(65);
        for content in ["", "00", &long, &"g".repeat(64), &"é".repeat(32)] {
            let read = RootKey::read(content.as_bytes(), String::new);
            let refused = matches!(read, Err(RootKeyError::NotAKey { .. }));
            assert!(refused, "{content:?}");
        }
    }
}
