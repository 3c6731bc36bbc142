//! Tokens that look like GitHub's and never worked anywhere.
//!
//! GitHub, “Behind GitHub's new authentication token formats”: after the prefix come 30 characters
//! and the CRC-32 of those, in base 62 with digits before capitals before small letters, six wide.

use sha2::{Digest as _, Sha256};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A classic token with a right checksum, the same each time for one name.
pub(crate) fn made_up(name: &str) -> String {
    let body: String = Sha256::digest(name)
        .iter()
        .take(30)
        .map(|byte| digit(u32::from(*byte)))
        .collect();
    let checksum = checksum(&body);
    format!("ghp_{body}{checksum}")
}

fn checksum(body: &str) -> String {
    let crc = crc32(body.as_bytes());
    (0..6)
        .rev()
        .map(|place| digit(crc / 62_u32.pow(place)))
        .collect()
}

fn digit(value: u32) -> char {
    DIGITS
        .iter()
        .cycle()
        .nth(value as usize % 62)
        .map_or('0', |digit| char::from(*digit))
}

/// The CRC-32 of zlib and IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_usual_one() {
        // The check value that catalogues of CRCs give for it.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_made_up_token_has_the_form_of_a_classic_one() {
        let token = made_up("ORG_LABEL_SYNC_TOKEN");
        assert_eq!(token.len(), 40);
        assert!(token.starts_with("ghp_"));
        // Computed with Python's zlib.crc32.
        assert_eq!(checksum("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"), "0mLq17");
    }
}
