//! A secret on its way from a terminal, a pipe or a file to the broker.
//!
//! It is never an argument: command lines are visible to every account of the machine.

use std::fs::File;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_protocol::{as_read, value_form};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::ui;

/// A secret in the clear. It has no `Debug`, `Display` or `Clone`, and is wiped on drop.
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Reads a value: from the terminal without echo, or from stdin to its end.
    pub(crate) fn read(prompt: &str) -> Result<Self, Failure> {
        Self::parse(ask(prompt)?)
    }

    /// Takes a value as it was read.
    ///
    /// What cannot be one is rejected here, before it is sent: such as a paste of too much.
    pub(crate) fn parse(mut text: Zeroizing<String>) -> Result<Self, Failure> {
        as_read::clean(&mut text);
        match value_form::check(&text) {
            Ok(()) => Ok(Self(text)),
            Err(why) => Err(Failure::Usage(format!(
                "not a value for a secret: it {why}"
            ))),
        }
    }

    /// The text, on its way into the body of a request.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// The hash under which a value is known: base64 SHA-256, as GitHub's audit log has it.
pub(crate) fn hashed(value: &str) -> String {
    STANDARD.encode(Sha256::digest(value))
}

/// Reads text from the terminal without echo, or from stdin to its end.
pub(crate) fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if ui::stdin_is_terminal() {
        return ui::ask_secretly(prompt);
    }
    read_to_end(&mut io::stdin().lock())
}

/// Reads the text of a file, or of stdin if it is `-`.
pub(crate) fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return read_to_end(&mut io::stdin().lock());
    }
    let bytes = File::open(path).and_then(as_read::read_to_end);
    text_of(bytes.map_err(Failure::file("read", path))?)
}

/// Reads text to its end, at most [`value_form::LONGEST`] bytes of it, leaving no copy behind.
pub(crate) fn read_to_end(input: &mut impl io::Read) -> Result<Zeroizing<String>, Failure> {
    let bytes = as_read::read_to_end(input);
    text_of(bytes.map_err(|error| Failure::new(format!("cannot read the value: {error}")))?)
}

fn text_of(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Failure> {
    if bytes.len() > value_form::LONGEST {
        return Err(Failure::Usage("the value is longer than 48 KiB".to_owned()));
    }
    as_read::text_of(bytes).map_err(|why| Failure::Usage(format!("the value {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SecretText, Failure> {
        SecretText::parse(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn one_final_line_end_and_a_byte_order_mark_are_dropped_and_no_more() {
        for read in ["ghp_x\n", "ghp_x\r\n", "\u{feff}ghp_x\n"] {
            assert_eq!(parse(read).ok().unwrap().expose(), "ghp_x", "{read:?}");
        }
        assert!(parse("ghp_x\n\n").is_err());
    }

    #[test]
    fn a_key_in_pem_form_keeps_its_lines() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(parse(pem).ok().unwrap().expose(), pem.trim_end());
    }

    #[test]
    fn what_cannot_be_a_value_is_refused_without_being_quoted() {
        for bad in [
            "", "\n", "a b", " a", "a\0b", "a\nb", "a\r", "a\x1b", "'a'", "A=b",
        ] {
            let error = parse(bad).err().unwrap_or_else(|| panic!("{bad:?} taken"));
            assert_eq!(error.exit_code(), 2, "{bad:?}");
        }
        let error = parse("ghp_secret more").err().unwrap();
        assert!(!error.to_string().contains("ghp_secret"));
    }

    #[test]
    fn too_much_is_refused() {
        let long = "x".repeat(value_form::LONGEST + 1);
        assert!(read_to_end(&mut long.as_bytes()).is_err());
        assert!(read_to_end(&mut &long.as_bytes()[1..]).is_ok());
    }
}
