//! A passphrase wraps the root key: Argon2id makes an X25519 key pair of it, and the root key is in a
//! sealed box for the public half, which is kept. So the next root key can be put behind the same
//! passphrase without anyone typing it (a re-key), and only the passphrase opens either.
//!
//! Whoever could exchange the public half would have the next root key sealed for themselves: a MAC under
//! the vault's own key covers it (`KeyRecord`), and is checked before it is used.
//!
//! The parameters are kept beside the salt, so that they can grow without a new format. They are
//! those of RFC 9106 for machines short of memory, 64 MiB and three passes, with one lane in place of
//! four because one thread does the work: about 0.15 s.

use crypto_box::aead::OsRng;
use crypto_box::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::passphrase::{COSTS, Passphrase};
use super::{RootKey, RootKeyError};
use crate::envelope;

/// The root key, sealed under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    pub(crate) salt: [u8; 16],
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) sealed: Box<[u8]>,
    pub(crate) public_key: [u8; 32],
}

impl Wrap {
    /// Seals the root key of a vault under a passphrase that is chosen now. Takes a fraction of a second.
    ///
    /// # Errors
    ///
    /// As [`Passphrase::chosen`], or if memory or random numbers are not to be had.
    pub fn make(key: &RootKey, vault_id: &str, by: &Passphrase) -> Result<Self, RootKeyError> {
        Self::under(key, vault_id, &by.chosen()?)
    }

    /// The same under exactly this text.
    fn under(key: &RootKey, vault_id: &str, by: &Passphrase) -> Result<Self, RootKeyError> {
        let mut salt = [0; 16];
        envelope::random(&mut salt)?;
        let (memory_kib, passes) = COSTS;
        let secret = SecretKey::from_bytes(*by.derive(&salt, memory_kib, passes)?.expose());
        let wrap = Self {
            salt,
            memory_kib,
            passes,
            sealed: Box::default(),
            public_key: *secret.public_key().as_bytes(),
        };
        wrap.resealed(key, vault_id)
    }

    /// Puts another root key behind the same passphrase, which is not needed for that.
    pub(crate) fn resealed(&self, key: &RootKey, vault_id: &str) -> Result<Self, RootKeyError> {
        let mut plain = Zeroizing::new(boxed(vault_id));
        plain.reserve_exact(32);
        plain.extend_from_slice(key.expose());
        let sealed = PublicKey::from_bytes(self.public_key)
            .seal(&mut OsRng, &plain)
            .map_err(|_opaque| RootKeyError::NotSealed)?;
        Ok(Self {
            sealed: sealed.into(),
            ..self.clone()
        })
    }

    /// Opens it. Takes a fraction of a second, also for a wrong passphrase.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::WrongPassphrase`], or if memory is not to be had.
    pub fn open(&self, vault_id: &str, by: &Passphrase) -> Result<RootKey, RootKeyError> {
        by.open_with(is_wrong, |reading| self.open_as(vault_id, reading))
    }

    fn open_as(&self, vault_id: &str, by: &Passphrase) -> Result<RootKey, RootKeyError> {
        let derived = by.derive(&self.salt, self.memory_kib, self.passes)?;
        let secret = SecretKey::from_bytes(*derived.expose());
        if *secret.public_key().as_bytes() != self.public_key {
            return Err(RootKeyError::WrongPassphrase);
        }
        let damaged = || RootKeyError::NotAKey {
            place: "what the vault keeps behind this passphrase".to_owned(),
        };
        let opened = secret.unseal(&self.sealed).map_err(|_opaque| damaged())?;
        let opened = Zeroizing::new(opened);
        let key = opened.strip_prefix(boxed(vault_id).as_slice());
        let key = key.and_then(|key| <&[u8; 32]>::try_from(key).ok());
        RootKey::of(key.ok_or_else(damaged)?)
    }

    /// What a MAC covers of a wrap: all of it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.memory_kib.to_be_bytes());
        out.extend_from_slice(&self.passes.to_be_bytes());
        // There is a public key, as there was not before format 3.
        out.push(1);
        out.extend_from_slice(&self.public_key);
        let length = u64::try_from(self.sealed.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.sealed);
        out
    }
}

const fn is_wrong(error: &RootKeyError) -> bool {
    matches!(error, RootKeyError::WrongPassphrase)
}

/// What precedes the root key in a sealed box, which has no associated data.
fn boxed(vault_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    envelope::text(&mut out, "tokend root key v2");
    envelope::text(&mut out, vault_id);
    out
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(Passphrase: Clone, Debug, PartialEq);

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    #[test]
    fn the_passphrase_gives_the_key_back_and_no_other_does() {
        let key = RootKey::generate().unwrap();
        let wrap = Wrap::make(&key, "v", &passphrase("correct horse battery")).unwrap();
        let opened = wrap
            .open("v", &passphrase("correct horse battery"))
            .unwrap();
        assert_eq!(opened.expose(), key.expose());
        let wrong = wrap.open("v", &passphrase("correct horse batterY"));
        assert!(matches!(wrong, Err(RootKeyError::WrongPassphrase)));
        let elsewhere = wrap.open("w", &passphrase("correct horse battery"));
        assert!(elsewhere.is_err());
    }

    #[test]
    fn the_next_root_key_goes_behind_the_same_passphrase_without_it() {
        let (first, second) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
        let by = passphrase("correct horse battery");
        let wrap = Wrap::make(&first, "v", &by).unwrap();
        let next = wrap.resealed(&second, "v").unwrap();
        assert_eq!(next.open("v", &by).unwrap().expose(), second.expose());
        assert_eq!(wrap.open("v", &by).unwrap().expose(), first.expose());
        assert!(next.open("w", &by).is_err());
        let wrong = next.open("v", &passphrase("correct horse batterY"));
        assert!(matches!(wrong, Err(RootKeyError::WrongPassphrase)));
    }

    /// As read where it is set, and what opens it afterwards.
    #[test]
    fn a_passphrase_that_was_read_is_set_without_what_an_editor_added() {
        let key = RootKey::generate().unwrap();
        for read in [
            "correct horse battery\r\n",
            "\u{feff}correct horse battery\n",
        ] {
            let wrap = Wrap::make(&key, "v", &passphrase(read)).unwrap();
            for typed in [read, "correct horse battery"] {
                let opened = wrap.open("v", &passphrase(typed)).unwrap();
                assert_eq!(opened.expose(), key.expose(), "{read:?} {typed:?}");
            }
        }
    }

    #[test]
    fn a_passphrase_that_was_set_as_it_was_read_still_opens_and_goes_on_doing_so() {
        let (key, next) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
        for (set, read) in [
            ("correct horse battery\r", "correct horse battery\r\n"),
            (
                "\u{feff}correct horse battery",
                "\u{feff}correct horse battery\n",
            ),
            ("correct\thorse battery\n", "correct\thorse battery\n"),
        ] {
            let wrap = Wrap::under(&key, "v", &passphrase(set)).unwrap();
            let next = wrap.resealed(&next, "v").unwrap();
            for wrap in [wrap, next] {
                wrap.open("v", &passphrase(read)).unwrap();
                let cleaned = wrap.open("v", &passphrase("correct horse battery"));
                assert!(cleaned.is_err(), "{set:?}");
            }
        }
    }

    #[test]
    fn a_new_passphrase_with_a_control_character_is_refused_and_not_quoted() {
        let key = RootKey::generate().unwrap();
        let error = Wrap::make(&key, "v", &passphrase("correct\u{1b} horse")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("(U+001B) at character 8"), "{error}");
        assert!(!error.contains("horse"), "{error}");
    }

    #[test]
    fn a_short_passphrase_is_refused_for_a_new_vault() {
        let key = RootKey::generate().unwrap();
        let error = Wrap::make(&key, "v", &passphrase("eleven char")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the passphrase needs at least 12 characters"
        );
    }

    #[test]
    fn costs_that_nobody_asked_for_are_refused_before_any_memory_is() {
        let wrap = Wrap {
            salt: [0; 16],
            memory_kib: u32::MAX,
            passes: 3,
            sealed: Box::default(),
            public_key: [0; 32],
        };
        let error = wrap.open("v", &passphrase("whatever it is")).err().unwrap();
        assert!(matches!(error, RootKeyError::Costs { .. }), "{error}");
    }

    /// The wrapping key as the reference implementation of Argon2 computes it, here through Python's
    /// `argon2-cffi`: `hash_secret_raw(b"correct horse battery", bytes(range(16)), 3, 65536, 1, 32,
    /// Type.ID)`. If this fails, no passphrase in the field would open its vault.
    #[test]
    fn the_wrapping_key_is_the_one_that_argon2id_gives() {
        let salt = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let by = passphrase("correct horse battery");
        let key = by.derive(&salt, 65536, 3).unwrap();
        let hex: String = key.expose().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, ARGON2ID);
    }

    const ARGON2ID: &str = "904b42492da04031a468a6d1d51689848c15e5c88d8587b0186dce574b8c4bcc";
}
