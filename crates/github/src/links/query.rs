//! The query of a form's address.

use std::fmt::Write as _;

/// A query string, with its question mark.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter();
    let pairs: Vec<_> = pairs
        .map(|(key, value)| format!("{key}={}", encode(value)))
        .collect();
    format!("?{}", pairs.join("&"))
}

/// Percent-encodes what has a meaning in an address, and what is not ASCII.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~,:".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else if write!(out, "%{byte:02X}").is_err() {
            break; // writing to a String does not fail
        }
    }
    out
}
