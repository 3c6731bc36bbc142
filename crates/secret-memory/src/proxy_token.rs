//! Proxy tokens: what a caller presents to the broker instead of a token of GitHub's.
//!
//! `tkp_`, 33 digits in base 62 for 192 random bits, and 6 for a checksum. The checksum tells a token that was
//! cut short or mistyped from one that has ended, and lets a scanner find ours without false alarms; it
//! proves nothing. 192 bits are more than anyone can guess; the sizes are ours.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::cipher::{self, NoRandom};
use crate::token::AccessToken;

/// What a proxy token begins with.
pub const PREFIX: &str = "tkp_";
const RANDOM_BYTES: usize = 24;
/// 62³³ is more than 2¹⁹².
const RANDOM_DIGITS: usize = 33;
/// 62⁶ is more than 2³².
const CHECK_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes a new one.
///
/// # Errors
///
/// [`NoRandom`] where the kernel gives no random numbers.
pub fn generate() -> Result<AccessToken, NoRandom> {
    let mut random = Zeroizing::new([0; RANDOM_BYTES]);
    cipher::random(&mut *random)?;
    Ok(encode(&random))
}

fn encode(random: &[u8; RANDOM_BYTES]) -> AccessToken {
    // Its size is known, so that growing leaves no copies behind.
    let mut text = String::with_capacity(PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS);
    text.push_str(PREFIX);
    push_base62(&mut text, &random[..], RANDOM_DIGITS);
    let check = checksum(&text);
    push_base62(&mut text, &check, CHECK_DIGITS);
    AccessToken::new(text)
}

/// Whether the text has the form of a proxy token, checksum included. It may be no one's.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    let Some((front, check)) = text.split_at_checked(PREFIX.len() + RANDOM_DIGITS) else {
        return false;
    };
    let mut expected = String::with_capacity(CHECK_DIGITS);
    push_base62(&mut expected, &checksum(front), CHECK_DIGITS);
    front.starts_with(PREFIX) && check == expected
}

fn checksum(front: &str) -> [u8; 4] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(front.as_bytes()).into();
    [a, b, c, d]
}

/// Appends a number, most significant byte first, as so many digits, the most significant first.
fn push_base62(text: &mut String, number: &[u8], digits: usize) {
    let mut number = Zeroizing::new(number.to_vec());
    let mut reversed = Zeroizing::new(Vec::<u8>::with_capacity(digits));
    for _ in 0..digits {
        let mut rest: u16 = 0;
        for byte in number.iter_mut() {
            let value = rest << 8 | u16::from(*byte);
            // Below 62 · 256 / 62: it fits.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        reversed.extend(DIGITS.get(usize::from(rest)));
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_is_well_formed_and_no_two_are_alike() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        for token in [&one, &other] {
            assert!(is_well_formed(token.expose()));
            assert_eq!(token.expose().len(), 43);
        }
        assert!(one.expose() != other.expose());
    }

    #[test]
    fn all_bits_of_the_number_are_in_the_digits() {
        let zeros = encode(&[0; RANDOM_BYTES]);
        assert!(
            zeros
                .expose()
                .starts_with("tkp_000000000000000000000000000000000")
        );
        // The same by Python: 2**192 - 1 in base 62.
        let ones = encode(&[0xff; RANDOM_BYTES]);
        let digits = "tkp_2lFA6LboL2xx0ldQH2K1TdSrwuqMMiME3";
        assert!(ones.expose().starts_with(digits));
    }

    #[test]
    fn one_that_was_cut_or_mistyped_is_told() {
        let token = generate().unwrap();
        let text = token.expose();
        for (at, found) in text.char_indices() {
            let other = if found == 'x' { 'y' } else { 'x' };
            let mut mistyped = text.to_owned();
            mistyped.replace_range(at..=at, &other.to_string());
            assert!(!is_well_formed(&mistyped), "{at}");
            let (cut, _) = text.split_at_checked(at).unwrap();
            assert!(!is_well_formed(cut));
        }
        for text in ["", "tkp_", "ghp_0123456789", "tkp_é"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
