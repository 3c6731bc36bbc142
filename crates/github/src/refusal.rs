//! What a status that is no success means: pure, so that every cause of a 403 can be told apart in a
//! test.
//!
//! The order is GitHub's own: `Retry-After` first, then a primary limit that is used up, then words.
//! Source: GitHub REST documentation, “Best practices for using the REST API” and “Rate limits for the
//! REST API”.

use broker_secret_memory::redact;
use serde_json::Value;

use super::error::{GitHubError, LimitKind, Said, Sso};
use super::reply::ReplyHeaders;

/// What a refusal says, before it is known whose it is.
pub(super) enum Refusal {
    /// An error as it stands.
    Error(GitHubError),
    /// A rate limit. How long for is decided with what is known of the principal.
    Limited(LimitKind),
}

/// Reads a status from 400 up.
pub(super) fn read(status: u16, headers: &ReplyHeaders, body: &[u8]) -> Refusal {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = said(parsed.get("message").and_then(Value::as_str));
    let error = match status {
        401 => GitHubError::Unauthorized {
            message,
            date: headers.date,
        },
        403 | 429 => return forbidden(status, headers, message),
        404 => GitHubError::NotFound { message },
        410 => GitHubError::ApiVersion { status, message },
        400 if names_the_version(&message) => GitHubError::ApiVersion { status, message },
        422 => GitHubError::Unprocessable { message },
        // RFC 6585: a captive portal's.
        511 => GitHubError::Intercepted { status, host: None },
        500.. => GitHubError::Fault {
            status,
            retry_after: headers.retry_after,
        },
        _ => GitHubError::Refused { status, message },
    };
    Refusal::Error(error)
}

/// The causes of a 403, which look alike but for these signs.
fn forbidden(status: u16, headers: &ReplyHeaders, message: Said) -> Refusal {
    let words = message.as_str().to_ascii_lowercase();
    let used_up = headers
        .rate
        .as_ref()
        .is_some_and(|limit| limit.rate.remaining == 0);
    let secondary = ["secondary rate limit", "abuse detection"]
        .iter()
        .any(|sign| words.contains(sign));
    if secondary {
        return Refusal::Limited(LimitKind::Secondary);
    }
    // A used-up window alone does not make a 403 a limit: the last request of a window may be refused
    // for another reason, and says so in words.
    if used_up && (status == 429 || words.contains("rate limit") || words.is_empty()) {
        return Refusal::Limited(LimitKind::Primary);
    }
    if status == 429 || headers.retry_after.is_some() || words.contains("rate limit") {
        return Refusal::Limited(LimitKind::Secondary);
    }
    if let Some(sso) = &headers.sso {
        return Refusal::Error(GitHubError::SingleSignOn { sso: read_sso(sso) });
    }
    if LOCK_OUT.iter().any(|sign| words.contains(sign)) {
        return Refusal::Limited(LimitKind::LockOut);
    }
    // GitHub says why; whatever stands between says nothing of the credential.
    if words.is_empty() {
        return Refusal::Error(GitHubError::Refused { status, message });
    }
    // GitHub names what the call takes also where that is not what lacks.
    let lacks = words.starts_with("resource not accessible");
    let accepted = headers.accepted_permissions.as_deref().filter(|_| lacks);
    Refusal::Error(GitHubError::Forbidden {
        message,
        accepted: accepted.map(|sets| redact::words(sets, LONGEST_SAID).into()),
    })
}

/// Words of the failed-login limit: “Maximum number of login attempts exceeded. Please try again
/// later.”
const LOCK_OUT: &[&str] = &["login attempts", "too many failed", "locked out"];

/// `required; url=https://…` or `partial-results; organizations=1,2`.
fn read_sso(header: &str) -> Sso {
    let mut parts = header.split(';').map(str::trim);
    let found = parts.find_map(|part| {
        if let Some(url) = part.strip_prefix("url=") {
            // The page wants a signed-in person; the link itself opens nothing.
            return Some(Sso::Url(redact::words(url, LONGEST_SAID).into()));
        }
        let ids = part.strip_prefix("organizations=")?;
        let ids = ids.split(',').filter_map(|id| id.trim().parse().ok());
        Some(Sso::Organizations(ids.collect()))
    });
    found.unwrap_or(Sso::Unknown)
}

fn names_the_version(message: &Said) -> bool {
    let words = message.as_str().to_ascii_lowercase();
    words.contains("api version") || words.contains("x-github-api-version")
}

/// GitHub's own words as they may be shown.
fn said(text: Option<&str>) -> Said {
    let words = text.map(|text| redact::words(text, LONGEST_SAID));
    let words = words.filter(|words| !words.is_empty());
    Said(words.map(Into::into))
}

const LONGEST_SAID: usize = 300;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use broker_protocol::api::{RateLimit, ResourceLimit};

    fn body(message: &str) -> Vec<u8> {
        serde_json::json!({ "message": message })
            .to_string()
            .into_bytes()
    }

    fn remaining(remaining: u64) -> ReplyHeaders {
        ReplyHeaders {
            rate: Some(ResourceLimit {
                resource: "core".into(),
                rate: RateLimit {
                    limit: 5000,
                    remaining,
                    reset_at: jiff::Timestamp::UNIX_EPOCH,
                },
            }),
            ..ReplyHeaders::default()
        }
    }

    fn error(status: u16, headers: &ReplyHeaders, body: &[u8]) -> GitHubError {
        match read(status, headers, body) {
            Refusal::Error(error) => error,
            Refusal::Limited(kind) => panic!("limited: {kind}"),
        }
    }

    fn limit(status: u16, headers: &ReplyHeaders, message: &str) -> Option<LimitKind> {
        match read(status, headers, &body(message)) {
            Refusal::Error(_) => None,
            Refusal::Limited(kind) => Some(kind),
        }
    }

    #[test]
    fn the_causes_of_a_403_are_told_apart() {
        let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before \
                         you try again.";
        let primary = "API rate limit exceeded for user ID 1.";
        let denied = "Resource not accessible by personal access token";
        for status in [403, 429] {
            assert_eq!(
                limit(status, &remaining(0), primary),
                Some(LimitKind::Primary)
            );
            assert_eq!(limit(status, &remaining(0), ""), Some(LimitKind::Primary));
            assert_eq!(
                limit(status, &remaining(0), secondary),
                Some(LimitKind::Secondary)
            );
            assert_eq!(
                limit(status, &remaining(4000), secondary),
                Some(LimitKind::Secondary)
            );
        }
        let told = ReplyHeaders {
            retry_after: Some(Duration::from_secs(7)),
            ..remaining(4000)
        };
        assert_eq!(
            limit(403, &told, "wording that changed"),
            Some(LimitKind::Secondary)
        );
        assert_eq!(
            limit(429, &remaining(4000), "wording that changed"),
            Some(LimitKind::Secondary)
        );
        assert_eq!(limit(403, &remaining(4000), denied), None);
        assert_eq!(
            limit(403, &remaining(0), denied),
            None,
            "the last request of a window"
        );
    }

    #[test]
    fn a_missing_permission_is_named_as_github_names_it() {
        let headers = ReplyHeaders {
            accepted_permissions: Some("contents=read; issues=read,metadata=read".to_owned()),
            ..remaining(4000)
        };
        let error = error(
            403,
            &headers,
            &body("Resource not accessible by integration"),
        );
        assert_eq!(
            error.to_string(),
            "GitHub refuses (403, “Resource not accessible by integration”); it needs contents=read; \
             issues=read,metadata=read"
        );
    }

    #[test]
    fn what_keeps_an_organizations_things_from_a_token_is_said_in_githubs_words_alone() {
        let headers = ReplyHeaders {
            accepted_permissions: Some("metadata=read".to_owned()),
            ..remaining(4000)
        };
        for words in ORGANIZATIONS_RULES {
            let error = error(403, &headers, &body(words));
            assert_eq!(
                error.to_string(),
                format!("GitHub refuses (403, “{words}”)"),
                "no permission would help"
            );
            let (status, said) = error.kept_out().unwrap();
            assert_eq!((status, said.as_str()), (403, *words));
        }
        let blocked = error(451, &headers, &body("Repository access blocked"));
        let (status, said) = blocked.kept_out().unwrap();
        assert_eq!((status, said.as_str()), (451, "Repository access blocked"));
        for (status, text) in [(403, ""), (451, "<html>"), (404, "{}"), (400, "{}")] {
            let error = error(status, &headers, text.as_bytes());
            assert_eq!(error.kept_out(), None, "{error}");
        }
    }

    #[test]
    fn the_sign_in_page_of_a_network_is_not_a_fault_of_githubs() {
        let error = error(511, &ReplyHeaders::default(), b"<html>");
        assert!(
            error.to_string().contains("captive portal") && error.is_unavailable(),
            "{error}"
        );
    }

    /// As GitHub answers, in public bug reports.
    const ORGANIZATIONS_RULES: &[&str] = &[
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's \
         lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: \
         https://github.com/settings/personal-access-tokens/1234",
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP \
         allow list enabled, and your IP address is not permitted to access this resource.",
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a \
         personal access token with fine-grained permissions.",
        "Repository access blocked",
    ];

    #[test]
    fn single_sign_on_and_a_lock_out_are_causes_of_their_own() {
        let sso = |header: &str| ReplyHeaders {
            sso: Some(header.to_owned()),
            ..ReplyHeaders::default()
        };
        let denied = body("Resource protected by organization SAML enforcement.");
        let url = "https://github.com/orgs/acme/sso?authorization_request=abc";
        assert_eq!(
            error(403, &sso(&format!("required; url={url}")), &denied),
            GitHubError::SingleSignOn {
                sso: Sso::Url(url.into())
            }
        );
        assert_eq!(
            error(
                403,
                &sso("partial-results; organizations=21955855,20582480"),
                &denied
            ),
            GitHubError::SingleSignOn {
                sso: Sso::Organizations(vec![21_955_855, 20_582_480])
            }
        );
        let locked = "Maximum number of login attempts exceeded. Please try again later.";
        assert_eq!(
            limit(403, &ReplyHeaders::default(), locked),
            Some(LimitKind::LockOut)
        );
    }

    #[test]
    fn a_403_without_githubs_own_words_says_nothing_of_a_permission() {
        for text in [&b""[..], b"<html>Forbidden by proxy</html>", b"{\"mess"] {
            let error = error(403, &remaining(4000), text);
            assert!(
                matches!(error, GitHubError::Refused { status: 403, .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn what_github_says_is_masked_and_stays_on_one_line() {
        let echo = format!("bad value ghp_{}\u{1b}[2J\nsecond line", "a".repeat(36));
        let text = error(422, &ReplyHeaders::default(), &body(&echo)).to_string();
        assert!(
            !text.contains("aaaa") && text.contains("[masked]"),
            "{text}"
        );
        assert!(!text.contains('\n') && !text.contains('\u{1b}'), "{text}");
        let turned = body("an\u{202e}hidden\u{200b} \u{2066}turn");
        let text = error(404, &ReplyHeaders::default(), &turned).to_string();
        assert!(text.contains("“anhidden turn”"), "{text}");
        let long = error(404, &ReplyHeaders::default(), &body(&"x".repeat(5000)));
        assert!(long.to_string().len() < 500);
    }

    #[test]
    fn the_rest_is_told_by_its_status_whatever_the_body_is() {
        let none = ReplyHeaders::default();
        for (status, text) in [(401, ""), (404, "<html>"), (502, "<html>"), (410, "{")] {
            let error = error(status, &none, text.as_bytes());
            let shown = error.to_string();
            assert!(shown.contains(&status.to_string()), "{shown}");
        }
        let version = body("Unsupported API version. Please use X-GitHub-Api-Version 2022-11-28");
        assert!(matches!(
            error(400, &none, &version),
            GitHubError::ApiVersion { .. }
        ));
        assert!(matches!(
            error(400, &none, &body("Bad")),
            GitHubError::Refused { .. }
        ));
    }
}
