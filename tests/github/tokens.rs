//! Token texts in GitHub's forms.
//!
//! Source: GitHub's blog, “Behind GitHub's new authentication token formats”, and the changelog of
//! 24 April 2026 for the long installation tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new classic token: `ghp_`, 30 random characters, a CRC-32 of these in base 62.
#[must_use]
pub fn classic_token() -> String {
    with_checksum("ghp_")
}

/// A new fine-grained token, as long as the one in GitHub's own example.
#[must_use]
pub fn fine_grained_token() -> String {
    format!("github_pat_{}_{}", random_text(22), random_text(59))
}

/// An installation token in the old form, 40 characters.
pub(crate) fn stateful_installation_token() -> String {
    with_checksum("ghs_")
}

/// An installation token in the form of 2026: `ghs_APPID_JWT`, about 520 characters, two dots.
pub(crate) fn stateless_installation_token(app: u64, installation: u64, expires: i64) -> String {
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({"alg": "RS256", "kid": random_text(16), "typ": "JWT"}));
    let claims = part(json!({
        "exp": expires, "jti": random_text(24), "sub": format!("installation:{installation}"),
    }));
    let length = 520_usize.saturating_sub(header.len() + claims.len());
    let signature = URL_SAFE_NO_PAD.encode(random_bytes(length * 3 / 4));
    format!("ghs_{app}_{header}.{claims}.{signature}")
}

/// Whether GitHub takes this for a credential that `/credentials/revoke` kills.
pub(crate) fn revocable(token: &str) -> bool {
    ["ghp_", "github_pat_", "gho_", "ghu_", "ghr_"]
        .iter()
        .any(|prefix| token.starts_with(prefix))
}

fn with_checksum(prefix: &str) -> String {
    let random = random_text(30);
    let mut sum = crc32(random.as_bytes());
    let mut checksum = [b'0'; 6];
    for place in checksum.iter_mut().rev() {
        *place = ALPHABET[(sum % 62) as usize];
        sum /= 62;
    }
    format!("{prefix}{random}{}", str::from_utf8(&checksum).unwrap())
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

pub(crate) fn random_text(length: usize) -> String {
    let bytes = random_bytes(length);
    bytes
        .into_iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte) % 62]))
        .collect()
}

pub(crate) fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_token_has_the_checksum_that_is_computed_here() {
        // GitHub's own published, expired example: prefix, random part, checksum.
        let mut sum = crc32(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ");
        let mut text = [b'0'; 6];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(sum % 62) as usize];
            sum /= 62;
        }
        assert_eq!(&text, b"0mLq17");
        assert_eq!(classic_token().len(), 40);
        assert_eq!(fine_grained_token().len(), 93);
        let long = stateless_installation_token(4711, 1, 1_800_000_000);
        assert!((500..540).contains(&long.len()), "{}", long.len());
        assert_eq!(long.matches('.').count(), 2);
    }
}
