//! What a place outside the vault may hold to be a secret's value.

use std::fmt;

use zeroize::Zeroizing;

use crate::token::AccessToken;

/// As much as `tokenctl secret set` takes, too.
pub(super) const LONGEST: usize = 48 * 1024;

/// Why what a place holds is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing, or a newline alone.
    Empty,
    /// More than any value has.
    TooLong,
    /// Bytes that are no text.
    NotText,
    /// Several lines that are no key in PEM form.
    SeveralLines,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty; put the value there, alone",
            Self::TooLong => {
                "holds more than 48 KiB, and no value does; put the value there, alone"
            }
            Self::NotText => "does not hold text; put the value there, alone",
            Self::SeveralLines => {
                "holds several lines and no PEM; put the value there, alone on one line"
            }
        })
    }
}

/// Takes the bytes of a place for a value: one final newline is dropped, as `secret set` does.
pub(super) fn value_of(mut bytes: Zeroizing<Vec<u8>>) -> Result<AccessToken, Fault> {
    if bytes.len() > LONGEST {
        return Err(Fault::TooLong);
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let value = AccessToken::from_utf8(bytes).ok_or(Fault::NotText)?;
    // Looked at, and kept where it is.
    let text = value.expose();
    if text.contains('\0') {
        return Err(Fault::NotText);
    }
    if text.contains(['\n', '\r']) && !text.starts_with("-----BEGIN ") {
        return Err(Fault::SeveralLines);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, Fault> {
        value_of(Zeroizing::new(bytes.to_vec())).map(|value| value.expose().to_owned())
    }

    #[test]
    fn one_final_newline_is_dropped_and_only_one() {
        assert_eq!(read(b"ghp_a"), Ok("ghp_a".to_owned()));
        assert_eq!(read(b"ghp_a\n"), Ok("ghp_a".to_owned()));
        assert_eq!(read(b"ghp_a\r\n"), Ok("ghp_a".to_owned()));
        assert_eq!(read(b"ghp_a\n\n"), Err(Fault::SeveralLines));
    }

    #[test]
    fn what_cannot_be_a_value_is_refused_and_a_key_is_not() {
        assert_eq!(read(b""), Err(Fault::Empty));
        assert_eq!(read(b"\n"), Err(Fault::Empty));
        assert_eq!(read(&[b'a'; LONGEST + 1]), Err(Fault::TooLong));
        assert_eq!(read(b"\xff\xfe"), Err(Fault::NotText));
        assert_eq!(read(b"a\0b"), Err(Fault::NotText));
        assert_eq!(read(b"login\nghp_a\n"), Err(Fault::SeveralLines));
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----";
        assert_eq!(read(format!("{pem}\n").as_bytes()), Ok(pem.to_owned()));
    }
}
