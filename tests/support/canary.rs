//! Recognisable fake tokens, and a search for them in everything written.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A classic token that never worked anywhere.
pub const CLASSIC: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0001";
/// Another.
pub const CLASSIC_TWO: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0002";
/// A fine-grained token that never worked anywhere.
pub const FINE_GRAINED: &str = "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A1";

/// Every form in which a secret might have been written down.
#[must_use]
pub fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // The middle of a base64 text depends on how many bytes stand before; three cases cover all.
    let base64_of = |pad: usize| {
        let padded = [&vec![b'x'; pad][..], bytes].concat();
        let text = STANDARD.encode(padded);
        text.as_bytes()[4..text.len() - 4].to_vec()
    };
    vec![
        bytes.to_vec(),
        bytes.iter().rev().copied().collect(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
        base64_of(0),
        base64_of(1),
        base64_of(2),
        URL_SAFE
            .encode(bytes)
            .trim_end_matches('=')
            .as_bytes()
            .to_vec(),
        bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
    ]
}

/// Whether `text` holds the secret in any of its [`forms`].
#[must_use]
pub fn is_in(text: &[u8], secret: &str) -> bool {
    forms(secret)
        .iter()
        .any(|form| text.windows(form.len()).any(|window| window == form))
}

/// Every file below `directory` that holds the secret in any form.
#[must_use]
pub fn files_with(directory: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if metadata.is_file() && is_in(&fs::read(&path).unwrap(), secret) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_what_it_is_for() {
        let hidden = format!(
            "authorization: Basic {}",
            STANDARD.encode(format!("x-access-token:{CLASSIC}"))
        );
        assert!(is_in(hidden.as_bytes(), CLASSIC));
        assert!(is_in(
            format!("{{\"a\":\"{CLASSIC}\"}}").as_bytes(),
            CLASSIC
        ));
        assert!(!is_in(b"nothing to see", CLASSIC));
    }
}
