//! The App's own credential: a short-lived JWT, signed with its private key.
//!
//! The key is the PEM from the vault; one in a KMS, an HSM or a TPM would need another signer.
//! Written on the cryptographic library directly: the JWT of one algorithm and three claims is a dozen
//! lines, and the same library tells the key's fingerprint. Tests verify it with another implementation.
//!
//! Signing takes about a millisecond, so it does not belong on the thread that serves. Not here: the
//! clock, which is an argument; where the key comes from.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use broker_secret_memory::token::AccessToken;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// What is wrong with an App's private key. The text never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text holds no private key in PEM form.
    #[error(
        "it is no private key in PEM form; store the whole .pem file that GitHub gave, from \
         `-----BEGIN` to the end"
    )]
    NotPem,
    /// It is a key, and no RSA key that can sign.
    #[error("it is no RSA key of 2048 bits or more, which is what GitHub makes for an App")]
    NotRsa,
    /// The library refused to sign.
    #[error("the private key could not sign")]
    NotSigned,
}

/// A private key in the clear, in this process.
pub struct PemSigner {
    key: KeyPair,
    fingerprint: Box<str>,
}

impl PemSigner {
    /// Reads a key in PKCS#1 form, as GitHub gives it, or in PKCS#8. Takes about a millisecond.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn read(pem: &AccessToken) -> Result<Self, KeyError> {
        // Into the key pair, and the copy in between is wiped.
        let mut der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
            .map_err(|_quotes_the_text| KeyError::NotPem)?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(KeyError::NotRsa),
        };
        der.zeroize();
        let key = key.map_err(|_rejected| KeyError::NotRsa)?;
        let public = key.public_key();
        let public: PublicKeyX509Der<'_> = public.as_der().map_err(|_cause| KeyError::NotRsa)?;
        let fingerprint = STANDARD.encode(Sha256::digest(public.as_ref())).into();
        Ok(Self { key, fingerprint })
    }

    /// The RS256 signature (RSA PKCS#1 v1.5 over SHA-256) of `message`.
    fn rs256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_cause| KeyError::NotSigned)?;
        Ok(signature)
    }

    /// The key as the App's settings page shows it: base64 SHA-256 of the public key (DER, SPKI).
    ///
    /// Source: GitHub documentation, “Managing private keys for GitHub Apps”.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// A JWT with which an App speaks for itself. It has no `Debug`: with it alone, tokens can be minted.
pub struct AppJwt(Zeroizing<String>);

/// How far back a JWT is dated, against clocks that differ.
///
/// Source: GitHub documentation, “Generating a JSON Web Token (JWT) for a GitHub App”.
const DATED_BACK: SignedDuration = SignedDuration::from_secs(60);
/// From `iat` to `exp`. GitHub takes at most ten minutes from now, and a local clock that is a little
/// ahead must not exceed them.
const LIFETIME: SignedDuration = SignedDuration::from_secs(600);

impl AppJwt {
    /// Signs a JWT for the App with this client id. `now` is the wall clock, set right by what GitHub
    /// said of the difference.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn sign(signer: &PemSigner, client_id: &str, now: Timestamp) -> Result<Self, KeyError> {
        let iat = (now - DATED_BACK).as_second();
        let claims = serde_json::json!({
            "iat": iat,
            "exp": iat + LIFETIME.as_secs(),
            "iss": client_id,
        });
        let mut text = Zeroizing::new(String::with_capacity(1024));
        URL_SAFE_NO_PAD.encode_string(br#"{"alg":"RS256","typ":"JWT"}"#, &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
        let signature = signer.rs256(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(Self(text))
    }

    /// The JWT itself; for the `Authorization` header and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(AppJwt: Clone, std::fmt::Debug, std::fmt::Display, serde::Serialize);
    assert_not_impl_any!(PemSigner: Clone, std::fmt::Debug, serde::Serialize);

    // openssl genrsa -traditional 2048; the same with `openssl pkcs8 -topk8 -nocrypt`; its public half;
    // the fingerprint by `openssl rsa -pubout -outform DER | openssl sha256 -binary | base64`.
    const PKCS1: &str = include_str!("testdata/app.pem");
    const PKCS8: &str = include_str!("testdata/app-pkcs8.pem");
    const PUBLIC: &str = include_str!("testdata/app-public.pem");
    const FINGERPRINT: &str = include_str!("testdata/app-fingerprint.txt");

    fn signer(pem: &str) -> PemSigner {
        PemSigner::read(&AccessToken::new(pem.to_owned()))
            .ok()
            .unwrap()
    }

    fn refusal(pem: &str) -> KeyError {
        PemSigner::read(&AccessToken::new(pem.to_owned()))
            .err()
            .unwrap()
    }

    #[test]
    fn another_implementation_verifies_the_jwt_and_reads_its_three_claims() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let jwt = AppJwt::sign(&signer(PKCS1), "Iv23liABCDEF", now)
            .ok()
            .unwrap();
        let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        let read = decode::<serde_json::Value>(jwt.expose(), &key, &validation).unwrap();
        let expected = serde_json::json!({
            "iat": 1_794_999_940_i64, "exp": 1_795_000_540_i64, "iss": "Iv23liABCDEF",
        });
        assert_eq!(read.claims, expected);
    }

    #[test]
    fn both_forms_of_a_key_have_the_fingerprint_that_openssl_computes() {
        for pem in [PKCS1, PKCS8] {
            assert_eq!(signer(pem).fingerprint(), FINGERPRINT.trim());
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_being_quoted() {
        assert_eq!(refusal("ghp_made_up"), KeyError::NotPem);
        assert_eq!(refusal(PUBLIC), KeyError::NotPem);
        let cut = PKCS1.split_at(PKCS1.len() / 2).0;
        assert_eq!(refusal(cut), KeyError::NotPem);
        let other = PKCS1.replace("RSA PRIVATE", "EC PRIVATE");
        assert_eq!(refusal(&other), KeyError::NotRsa);
    }
}
