//! The chain: each line carries the hash of the line before it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// SHA-256 of one zero byte followed by the exact bytes of a line without its newline.
///
/// That is the leaf hash of RFC 6962, so the same hash serves the chain and a Merkle tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What the first record names as its `prev`.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of one line, given without its newline.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update([0]);
        hash.update(line);
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash read from storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> [u8; 64] {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        text
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line hash is 64 lower-case hexadecimal digits")]
pub struct NotALineHash;

impl FromStr for LineHash {
    type Err = NotALineHash;
    fn from_str(text: &str) -> Result<Self, NotALineHash> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(NotALineHash),
        };
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(NotALineHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let &[high, low] = pair else {
                return Err(NotALineHash);
            };
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Ok(Self(bytes))
    }
}

/// Where a log stands: how many records it holds, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Records so far; also the `seq` of the next.
    pub records: u64,
    /// Hash of the last record, [`LineHash::ZERO`] before the first.
    pub hash: LineHash,
}

impl Head {
    /// An empty log.
    pub const EMPTY: Self = Self {
        records: 0,
        hash: LineHash::ZERO,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_as_written() {
        let hash = LineHash::of(b"{}");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(
            std::str::from_utf8(&hash.to_hex()).unwrap(),
            hash.to_string()
        );
        assert!("AB".repeat(32).parse::<LineHash>().is_err());
    }

    #[test]
    fn the_leaf_hash_of_an_empty_line_is_the_one_rfc_6962_gives() {
        // sha256 of a single zero byte, by coreutils: printf '\0' | sha256sum
        let want = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(LineHash::of(b"").to_string(), want);
    }
}
