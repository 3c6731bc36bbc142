//! What a value is, as far as its first characters tell.

use broker_policy::SecretKind;
use broker_secret_memory::token::AccessToken;

/// Looks at the first characters of a value. `None` for anything else: other tokens, and those of before
/// April 2021, which bear no mark.
#[must_use]
pub fn kind_of(value: &AccessToken) -> Option<SecretKind> {
    // Compared here, and goes nowhere.
    let text = value.expose();
    if text.starts_with("github_pat_") {
        Some(SecretKind::FineGrained)
    } else if text.starts_with("ghp_") {
        Some(SecretKind::Classic)
    } else if text.trim_start().starts_with("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        Some(SecretKind::App)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_by_its_first_characters() {
        for (text, kind) in [
            ("ghp_x", Some(SecretKind::Classic)),
            ("github_pat_x", Some(SecretKind::FineGrained)),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Some(SecretKind::App)),
            ("-----BEGIN CERTIFICATE-----\nx", None),
            ("0123456789012345678901234567890123456789", None),
        ] {
            assert_eq!(kind_of(&AccessToken::new(text.to_owned())), kind, "{text}");
        }
    }
}
