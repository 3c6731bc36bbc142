//! Sealed boxes: how a value travels to GitHub's own secret stores.
//!
//! GitHub takes the value of an Actions, Dependabot or Codespaces secret only in a libsodium sealed
//! box for the public key of the repository, organisation or environment it goes to. Each of those has
//! a key of its own, named by a key id that goes back with the box.
//!
//! ```text
//! box = ephemeral public key (32) ‖ crypto_box(value)        48 bytes longer than the value
//! ```
//!
//! Source: GitHub REST documentation, “Encrypting secrets for the REST API”; the layout is libsodium's
//! `crypto_box_seal`. Not here: requests (`secrets`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_secret_memory::token::AccessToken;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use crypto_box::aead::rand_core::CryptoRngCore;

/// The longest value GitHub stores as a secret, in bytes: 48 KB.
///
/// Source: GitHub documentation, “Secrets reference”.
pub const MAX_VALUE: usize = 48 * 1024;

/// A public key that values are sealed for.
pub struct BoxKey(PublicKey);

/// Why a value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// What GitHub sent is no key.
    #[error("GitHub's public key is not 32 bytes in base64")]
    NotAKey,
    /// Too long for GitHub.
    #[error("the value is longer than the 48 KB that GitHub stores")]
    TooLong,
    /// The cipher refused.
    #[error("the value could not be sealed")]
    NotSealed,
}

impl BoxKey {
    /// Reads a key as GitHub writes it: standard base64 of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`SealError::NotAKey`].
    pub fn parse(base64: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(base64.trim()).unwrap_or_default();
        let key: [u8; 32] = bytes.try_into().map_err(|_bytes| SealError::NotAKey)?;
        Ok(Self(PublicKey::from_bytes(key)))
    }

    /// Seals a value, exactly its bytes, and writes the box as GitHub wants it: standard base64 with
    /// padding. Two boxes of the same value differ.
    ///
    /// # Errors
    ///
    /// [`SealError::TooLong`], [`SealError::NotSealed`].
    pub fn seal(&self, value: &AccessToken) -> Result<String, SealError> {
        self.seal_with(&mut OsRng, value)
    }

    fn seal_with(
        &self,
        random: &mut impl CryptoRngCore,
        value: &AccessToken,
    ) -> Result<String, SealError> {
        // Into the box, which only GitHub opens.
        let plain = value.expose().as_bytes();
        if plain.len() > MAX_VALUE {
            return Err(SealError::TooLong);
        }
        let sealed = self.0.seal(random, plain);
        let sealed = sealed.map_err(|_opaque| SealError::NotSealed)?;
        Ok(STANDARD.encode(sealed))
    }
}

#[cfg(test)]
mod tests {
    use crypto_box::SecretKey;
    use crypto_box::aead::rand_core::{CryptoRng, Error, RngCore, impls};

    use super::*;

    const VALUE: &str = "ghp_canaryOfARotationThatGoesToActions01";

    // Computed with PyNaCl 1.6.2 (libsodium), not with this code:
    //
    //   r, e = PrivateKey(bytes(range(32))), PrivateKey(bytes(range(32, 64)))
    //   n = blake2b(bytes(e.public_key) + bytes(r.public_key), digest_size=24).digest()
    //   bytes(e.public_key) + Box(e, r.public_key).encrypt(VALUE, n).ciphertext
    //
    // which SealedBox(r).decrypt opened. RANDOM is SealedBox(r.public_key).encrypt(VALUE).
    const KEY: &str = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=";
    const BOX: &str = "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlR5z/wCKMhv01QaVHlfxWx74jegwbO7Qg+\
                       nM4YWg1Nbd1/t/VEogjjo2AnCTxVW49JQzflS82OrVA==";
    const RANDOM: &str = "jcCc+ONemLXlv7/MveEbAkdfzbHJx8s4ikCHMHnV/FmKH0wLbPisq2QbNQXVMy6z7upjyhRI\
                          7odg8+x6N9cIpFXslMB5sEWTppp9NaOHGHrVmjl1q+grOg==";

    /// Gives 32, 33, 34, …: the ephemeral key of the vector.
    struct Counting(u8);

    impl RngCore for Counting {
        fn next_u32(&mut self) -> u32 {
            impls::next_u32_via_fill(self)
        }
        fn next_u64(&mut self) -> u64 {
            impls::next_u64_via_fill(self)
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0;
                self.0 += 1;
            }
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }
    impl CryptoRng for Counting {}

    fn value() -> AccessToken {
        AccessToken::new(VALUE.to_owned())
    }

    fn recipient() -> SecretKey {
        SecretKey::from_bytes(std::array::from_fn(|index| u8::try_from(index).unwrap()))
    }

    #[test]
    fn a_box_is_byte_for_byte_what_libsodium_makes() {
        let key = BoxKey::parse(KEY).unwrap();
        assert_eq!(key.seal_with(&mut Counting(32), &value()).unwrap(), BOX);
    }

    #[test]
    fn a_box_of_libsodiums_opens_with_the_same_cipher() {
        let opened = recipient().unseal(&STANDARD.decode(RANDOM).unwrap());
        assert_eq!(opened.unwrap(), VALUE.as_bytes());
    }

    #[test]
    fn two_boxes_differ_and_both_open() {
        let key = BoxKey::parse(KEY).unwrap();
        let (one, other) = (key.seal(&value()).unwrap(), key.seal(&value()).unwrap());
        assert_ne!(one, other);
        for sealed in [one, other] {
            let bytes = STANDARD.decode(sealed).unwrap();
            assert_eq!(bytes.len(), VALUE.len() + 48);
            assert_eq!(recipient().unseal(&bytes).unwrap(), VALUE.as_bytes());
        }
    }

    #[test]
    fn what_is_no_key_or_too_long_is_refused() {
        // GitHub's own description has an example key of 33 bytes.
        for bad in ["", "not base64", "AAAA", &STANDARD.encode([7; 33])] {
            assert_eq!(BoxKey::parse(bad).err(), Some(SealError::NotAKey), "{bad}");
        }
        let key = BoxKey::parse(KEY).unwrap();
        let longest = |length| AccessToken::new("x".repeat(length));
        assert!(key.seal(&longest(MAX_VALUE)).is_ok());
        assert_eq!(key.seal(&longest(MAX_VALUE + 1)), Err(SealError::TooLong));
    }
}
