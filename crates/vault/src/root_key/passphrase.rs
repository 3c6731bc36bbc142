//! A passphrase as it was typed or read, and the key that Argon2id makes of it.

use argon2::{Algorithm, Argon2, Params, Version};
use broker_protocol::as_read;
use broker_secret_memory::locked_memory::LockedKey;
use zeroize::Zeroizing;

use super::RootKeyError;

/// What was typed or read, as it was. It has no `Debug` and is wiped on drop.
///
/// One that is set is cleaned first by the rule of [`as_read`], and one that opens something is tried so
/// first, then as it is: what was set before there was a rule goes on opening what it opened.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes ownership, so that no other copy need remain.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The passphrase that is set where this was read, cleaned.
    ///
    /// # Errors
    ///
    /// [`RootKeyError::UnfitPassphrase`].
    pub fn chosen(&self) -> Result<Self, RootKeyError> {
        let text = as_read::new_passphrase(&self.0).map_err(RootKeyError::UnfitPassphrase)?;
        Ok(Self::new(text.to_owned()))
    }

    /// Opens something with it: cleaned, and where that is wrong, as it was read. Takes as many
    /// derivations as there are readings that differ, which is one for nearly every text.
    pub(crate) fn open_with<T, E>(
        &self,
        is_wrong: fn(&E) -> bool,
        mut open: impl FnMut(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut opened = open(&Self::new(as_read::cleaned(&self.0).to_owned()));
        for reading in as_read::readings(&self.0).skip(1) {
            if !opened.as_ref().is_err_and(is_wrong) {
                break;
            }
            opened = open(&Self::new(reading.to_owned()));
        }
        opened
    }

    /// The key that Argon2id makes of it, with one lane. Takes a fraction of a second.
    pub(crate) fn derive(
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
pub(crate) const COSTS: (u32, u32) = (64 * 1024, 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_that_is_set_is_cleaned_first() {
        for text in ["a passphrase", "a passphrase\r\n", "\u{feff}a passphrase\n"] {
            let chosen = Passphrase::new(text.to_owned()).chosen().ok().unwrap();
            assert_eq!(*chosen.0, "a passphrase", "{text:?}");
        }
    }
}
