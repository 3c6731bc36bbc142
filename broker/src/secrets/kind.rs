//! Whether a value can be of the kind that a policy declares. It is refused only where the value itself
//! proves that it cannot: what is not known, such as a form that GitHub has yet to think of, is taken.
//!
//! Prefixes are from GitHub's documentation, “About authentication to GitHub”. A user token of an App
//! (`ghu_`) is taken: it may be set never to end, and no kind is its own.

use broker_policy::SecretKind;
use broker_protocol::token_shape::{self, Shape};
use broker_secret_memory::token::AccessToken;

use broker_github::{AppKey, NoAppKey};

/// Why the value cannot be of this kind, in words that do not quote it. `None` where nothing proves that.
pub(crate) async fn contradicted(kind: SecretKind, value: &AccessToken) -> Option<String> {
    match kind {
        SecretKind::Classic | SecretKind::FineGrained => {
            // Compared, and goes nowhere.
            no_such_token(kind, value.expose()).map(str::to_owned)
        }
        // Read as it is for each use, and wiped: what gives no key can sign for nothing.
        SecretKind::App => match AppKey::read("", value.copy()).await {
            Ok(_) | Err(NoAppKey::Broken(_)) => None,
            Err(NoAppKey::Key(error)) => Some(error.to_string()),
        },
    }
}

/// Why the value cannot be what is shown to 1Password.
pub(crate) fn not_for_1password(value: &AccessToken) -> Option<&'static str> {
    // Compared, and goes nowhere.
    let of_github = token_shape::of(value.expose()) != Shape::Unknown;
    of_github.then_some("it is a token or key for GitHub, which must not be shown to 1Password")
}

fn no_such_token(kind: SecretKind, value: &str) -> Option<&'static str> {
    if value.trim_start().starts_with("-----BEGIN ") {
        return Some("it is PEM, and no token");
    }
    match (token_shape::of(value), kind) {
        (Shape::FineGrained, SecretKind::Classic) => Some("it is a fine-grained token"),
        (Shape::Classic, SecretKind::FineGrained) => Some("it is a classic token"),
        (Shape::ShortLived, _) if value.starts_with("ghs_") => {
            Some("it is an installation token, which ends within an hour")
        }
        (Shape::ShortLived, _) if value.starts_with("ghr_") => {
            Some("it is a refresh token, which opens nothing at GitHub's API")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----";

    async fn why(kind: SecretKind, value: &str) -> Option<String> {
        contradicted(kind, &AccessToken::new(value.to_owned())).await
    }

    #[tokio::test]
    async fn what_is_provably_of_another_kind_is_told_without_being_quoted() {
        use SecretKind::{App, Classic, FineGrained};
        for (kind, value, what) in [
            (App, HEX, "no private key in PEM form"),
            (App, "ghp_x", "no private key in PEM form"),
            (App, CERTIFICATE, "no private key in PEM form"),
            (
                App,
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
                "no ",
            ),
            (Classic, "github_pat_x", "a fine-grained token"),
            (Classic, CERTIFICATE, "PEM"),
            (Classic, "ghs_x", "an installation token"),
            (FineGrained, "ghp_x", "a classic token"),
            (FineGrained, HEX, "a classic token"),
            (FineGrained, "ghr_x", "a refresh token"),
        ] {
            let told = why(kind, value)
                .await
                .unwrap_or_else(|| panic!("{value} is taken"));
            assert!(
                told.contains(what) && !told.contains(value),
                "{value}: {told}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_of_the_kind_or_not_known_is_taken() {
        use SecretKind::{Classic, FineGrained};
        for (kind, value) in [
            (Classic, "ghp_x"),
            (Classic, "gho_x"),
            (Classic, HEX),
            (Classic, "ghu_x"),
            (Classic, "ghq_of_the_future"),
            (FineGrained, "github_pat_x"),
            (FineGrained, "ghq_of_the_future"),
        ] {
            assert_eq!(why(kind, value).await, None, "{value}");
        }
        assert_eq!(
            not_for_1password(&AccessToken::new("ops_x".to_owned())),
            None
        );
        assert!(not_for_1password(&AccessToken::new("ghp_x".to_owned())).is_some());
    }
}
