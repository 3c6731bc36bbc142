//! The query of a form's address.

use std::fmt::Write as _;

/// A query string, filled in one pair after the other.
#[derive(Default)]
pub(super) struct Query(String);

impl Query {
    pub(super) fn add(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&encode(value));
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
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
