//! A passphrase wraps the root key: Argon2id makes a key of it, and that key seals the root key.
//!
//! The parameters are kept beside the salt, so that they can grow without a new format. They are
//! those of RFC 9106 for machines short of memory, 64 MiB and three passes, with one lane in place of
//! four because one thread does the work: about 0.15 s.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::{RootKey, RootKeyError};
use crate::locked_memory::LockedKey;
use crate::vault::envelope;

/// Fewest characters a new passphrase may have.
pub(super) const SHORTEST: usize = 12;

/// What someone typed. It has no `Debug` and is wiped on drop.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes ownership, so that no other copy need remain.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether the two are the same text, as when it is typed twice.
    #[must_use]
    pub fn is_repeated_by(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    /// Whether it may be used for a new vault.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::ShortPassphrase`].
    pub fn check_new(&self) -> Result<(), RootKeyError> {
        if self.0.chars().count() < SHORTEST {
            return Err(RootKeyError::ShortPassphrase);
        }
        Ok(())
    }

    /// The key that Argon2id makes of it, with one lane. Takes a fraction of a second.
    pub(in crate::vault) fn derive(
        &self,
        salt: &[u8; 16],
        memory_kib: u32,
        passes: u32,
    ) -> Result<LockedKey, RootKeyError> {
        let costs = || RootKeyError::Costs { memory_kib, passes };
        // Whoever can write the file must not make us allocate a terabyte.
        if memory_kib > 1024 * 1024 || passes > 64 {
            return Err(costs());
        }
        let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(|_cause| costs())?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        LockedKey::filled(|room| {
            argon2
                .hash_password_into(self.0.as_bytes(), salt, room)
                .map_err(RootKeyError::Derivation)
        })
    }
}

/// Memory in KiB and passes for a passphrase that is set today: RFC 9106 for machines short of memory.
pub(in crate::vault) const COSTS: (u32, u32) = (64 * 1024, 3);

/// The root key, sealed under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    pub(in crate::vault) salt: [u8; 16],
    pub(in crate::vault) memory_kib: u32,
    pub(in crate::vault) passes: u32,
    pub(in crate::vault) sealed: Box<[u8]>,
}

impl Wrap {
    /// Seals the root key of a vault under a passphrase. Takes a fraction of a second.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::ShortPassphrase`], or if memory or random numbers are not to be had.
    pub fn make(key: &RootKey, vault_id: &str, by: &Passphrase) -> Result<Self, RootKeyError> {
        by.check_new()?;
        let mut wrap = Self {
            salt: [0; 16],
            memory_kib: COSTS.0,
            passes: COSTS.1,
            sealed: Box::default(),
        };
        envelope::random(&mut wrap.salt)?;
        let wrapping = wrap.wrapping_key(by)?;
        wrap.sealed = envelope::seal_key(wrapping.expose(), &wrap.bound(vault_id), key.expose())?;
        Ok(wrap)
    }

    /// Opens it. Takes a fraction of a second, also for a wrong passphrase.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::WrongPassphrase`], or if memory is not to be had.
    pub fn open(&self, vault_id: &str, by: &Passphrase) -> Result<RootKey, RootKeyError> {
        let wrapping = self.wrapping_key(by)?;
        let bound = self.bound(vault_id);
        LockedKey::filled(|room| {
            envelope::open_key(wrapping.expose(), &bound, &self.sealed, room)
                .map_err(|_cause| RootKeyError::WrongPassphrase)
        })
        .map(RootKey)
    }

    fn wrapping_key(&self, by: &Passphrase) -> Result<LockedKey, RootKeyError> {
        by.derive(&self.salt, self.memory_kib, self.passes)
    }

    fn bound(&self, vault_id: &str) -> Vec<u8> {
        let mut out = Vec::new();
        envelope::text(&mut out, "tokend root key v1");
        envelope::text(&mut out, vault_id);
        out
    }
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
        assert!(matches!(elsewhere, Err(RootKeyError::WrongPassphrase)));
    }

    #[test]
    fn a_short_passphrase_is_refused_for_a_new_vault() {
        let key = RootKey::generate().unwrap();
        let error = Wrap::make(&key, "v", &passphrase("eleven char")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a passphrase needs at least 12 characters"
        );
    }

    #[test]
    fn costs_that_nobody_asked_for_are_refused_before_any_memory_is() {
        let wrap = Wrap {
            salt: [0; 16],
            memory_kib: u32::MAX,
            passes: 3,
            sealed: Box::default(),
        };
        let error = wrap.open("v", &passphrase("whatever it is")).err().unwrap();
        assert!(matches!(error, RootKeyError::Costs { .. }), "{error}");
    }

    /// The wrapping key as the reference implementation of Argon2 computes it, here through Python's
    /// `argon2-cffi`: `hash_secret_raw(b"correct horse battery", bytes(range(16)), 3, 65536, 1, 32,
    /// Type.ID)`. If this fails, no passphrase in the field would open its vault.
    #[test]
    fn the_wrapping_key_is_the_one_that_argon2id_gives() {
        let wrap = Wrap {
            salt: std::array::from_fn(|i| u8::try_from(i).unwrap()),
            memory_kib: 65536,
            passes: 3,
            sealed: Box::default(),
        };
        let key = wrap
            .wrapping_key(&passphrase("correct horse battery"))
            .unwrap();
        let hex: String = key.expose().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, ARGON2ID);
    }

    const ARGON2ID: &str = "904b42492da04031a468a6d1d51689848c15e5c88d8587b0186dce574b8c4bcc";
}
