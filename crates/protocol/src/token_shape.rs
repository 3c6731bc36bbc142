//! The kind of a value, by its first characters.
//!
//! Only prefixes, by GitHub's documentation “About authentication to GitHub”: lengths and checksums
//! have changed before and may again. The prefix of a proxy token is ours.

/// The kind that a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A classic personal access token, or an OAuth token, which has scopes in the same way.
    Classic,
    /// A fine-grained personal access token.
    FineGrained,
    /// An installation, App user or refresh token, which ends within hours: nothing to keep.
    ShortLived,
    /// A proxy token, which a broker made and GitHub does not know.
    Proxy,
    /// A private key in PEM form, as an App has one.
    PrivateKey,
    /// Nothing known.
    Unknown,
}

/// Returns the kind that the prefix of a value shows.
#[must_use]
pub fn of(value: &str) -> Shape {
    if value.starts_with("github_pat_") {
        return Shape::FineGrained;
    }
    if value.starts_with("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Shape::PrivateKey;
    }
    match value.get(..4) {
        Some("ghp_" | "gho_") => Shape::Classic,
        Some("ghs_" | "ghu_" | "ghr_") => Shape::ShortLived,
        Some("tkp_") => Shape::Proxy,
        // Tokens from before April 2021 have no prefix.
        _ if value.len() == 40 && value.bytes().all(|b| b.is_ascii_hexdigit()) => Shape::Classic,
        _ => Shape::Unknown,
    }
}

/// What tokens begin with: GitHub's, a broker's own, and those of 1Password's service accounts.
pub const PREFIXES: [&str; 8] = [
    "github_pat_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "tkp_",
    "ops_",
];

/// Whether a character may be part of a token.
pub(crate) const fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Whether a token may begin behind this text: not in the middle of a word, as in `devops_…`. The letter of an escape,
/// as in `\n`, belongs to no word.
#[must_use]
pub fn may_follow(before: &str) -> bool {
    let mut last = before.chars().rev();
    let in_word = last.next().is_some_and(|c| c.is_ascii_alphanumeric());
    !in_word || last.next() == Some('\\')
}

/// Whether a token that lasts is somewhere in the text.
#[must_use]
pub fn holds_one(text: &str) -> bool {
    let lasting = |word| matches!(of(word), Shape::Classic | Shape::FineGrained);
    text.split(|c| !is_part(c)).any(lasting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_lasts_is_found_in_a_line() {
        for line in ["curl -H 'Bearer ghp_x'", "A=github_pat_x; B=y", "x:gho_x"] {
            assert!(holds_one(line), "{line}");
        }
        for line in ["", "export PATH=\"$PATH:x\"", "A=ghs_x", "laughs_at ghp"] {
            assert!(!holds_one(line), "{line}");
        }
    }

    #[test]
    fn the_prefix_tells_the_kind() {
        for (value, shape) in [
            ("ghp_x", Shape::Classic),
            ("gho_x", Shape::Classic),
            ("github_pat_x", Shape::FineGrained),
            ("ghs_x", Shape::ShortLived),
            ("tkp_x", Shape::Proxy),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Shape::PrivateKey),
            ("-----BEGIN CERTIFICATE-----\nx", Shape::Unknown),
            ("0123456789abcdef0123456789abcdef01234567", Shape::Classic),
            ("", Shape::Unknown),
            ("ghé_", Shape::Unknown),
        ] {
            assert_eq!(of(value), shape, "{value}");
        }
    }
}
