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

#[cfg(test)]
mod tests {
    use super::*;

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
