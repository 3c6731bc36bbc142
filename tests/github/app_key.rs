//! An App's private key, as GitHub hands it out: RSA, PEM in PKCS#1 form.
//!
//! The few lines of DER are by hand, so that nothing here shares a parser with what it checks.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use sha2::{Digest as _, Sha256};

/// A key pair of an App.
#[derive(Clone)]
pub struct AppKey {
    pem: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl AppKey {
    /// Makes one of 2048 bits.
    #[must_use]
    pub fn generate() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        // PKCS#8 around PKCS#1: version, algorithm, and the key as an octet string.
        let der = pair.serialize_der();
        let (mut fields, _) = element(&der);
        let mut inner = &[][..];
        for _ in 0..3 {
            (inner, fields) = element(fields);
        }
        Self::parse(&pem("RSA PRIVATE KEY", inner)).unwrap()
    }

    /// Reads a private key in PKCS#1 PEM.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let body = text
            .split("-----")
            .nth(2)
            .filter(|_| text.contains("-----BEGIN RSA PRIVATE KEY-----"))
            .ok_or("not an RSA private key in PKCS#1 PEM")?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|error| error.to_string())?;
        let (fields, _) = element(&der);
        let (_version, fields) = element(fields);
        let (modulus, fields) = element(fields);
        let (exponent, _) = element(fields);
        Ok(Self {
            pem: text.to_owned(),
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        })
    }

    /// The private key: what an operator downloads, once.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// As GitHub's settings page shows it: base64 of SHA-256 of the public key in DER (SPKI).
    ///
    /// Source: GitHub documentation, “Managing private keys for GitHub Apps”.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        STANDARD.encode(Sha256::digest(self.spki()))
    }

    /// The public key in PEM, to verify with elsewhere.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    pub(crate) fn verifier(&self) -> DecodingKey {
        let leading = self.modulus.iter().take_while(|byte| **byte == 0).count();
        DecodingKey::from_rsa_raw_components(&self.modulus[leading..], &self.exponent)
    }

    fn spki(&self) -> Vec<u8> {
        // rsaEncryption, 1.2.840.113549.1.1.1, with its NULL.
        const ALGORITHM: &[u8] = &[
            0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
            0x00,
        ];
        let numbers = [tagged(2, &self.modulus), tagged(2, &self.exponent)].concat();
        let bits = [&[0][..], &tagged(0x30, &numbers)].concat();
        tagged(0x30, &[ALGORITHM, &tagged(3, &bits)].concat())
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppKey({})", self.fingerprint())
    }
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, header) = match usize::from(der[1]) {
        short @ 0..0x80 => (short, 2),
        long => {
            let bytes = &der[2..2 + (long & 0x7f)];
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, 2 + bytes.len())
        }
    };
    (&der[header..header + length], &der[header + length..])
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    if content.len() >= 0x80 {
        der.push(0x80 | u8::try_from(length.len()).unwrap());
    }
    der.extend(length);
    der.extend(content);
    der
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
