//! What a value is, as far as its first characters tell.

use broker_secret_memory::token::AccessToken;

/// What a value's first characters say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A classic personal access token.
    Classic,
    /// A fine-grained personal access token.
    FineGrained,
    /// The private key of a GitHub App.
    App,
}

impl Kind {
    /// Looks at the first characters. `None` for anything else: other tokens, and those of before
    /// April 2021, which bear no mark.
    #[must_use]
    pub fn of(value: &AccessToken) -> Option<Self> {
        // Compared here, and goes nowhere.
        let text = value.expose();
        if text.starts_with("github_pat_") {
            Some(Self::FineGrained)
        } else if text.starts_with("ghp_") {
            Some(Self::Classic)
        } else if text.trim_start().starts_with("-----BEGIN ") && text.contains("PRIVATE KEY-----")
        {
            Some(Self::App)
        } else {
            None
        }
    }

    /// The word that policies use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::FineGrained => "fine-grained",
            Self::App => "app",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Classic, Self::FineGrained, Self::App]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_by_its_first_characters() {
        for (text, kind) in [
            ("ghp_x", Some(Kind::Classic)),
            ("github_pat_x", Some(Kind::FineGrained)),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Some(Kind::App)),
            ("-----BEGIN CERTIFICATE-----\nx", None),
            ("0123456789012345678901234567890123456789", None),
        ] {
            assert_eq!(Kind::of(&AccessToken::new(text.to_owned())), kind, "{text}");
        }
    }

    #[test]
    fn a_word_reads_back_as_written() {
        for kind in [Kind::Classic, Kind::FineGrained, Kind::App] {
            assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::from_word("oauth"), None);
    }
}
