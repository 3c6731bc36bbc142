//! What GitHub answered: status, the headers this program acts on, and a body that is wiped.

use std::time::Duration;

use broker_https as https;
use broker_protocol::api::{RateLimit, ResourceLimit};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::base::BaseUrl;
use super::error::{BadAnswer, GitHubError};
use super::token_kind;

/// An answer with a status of success, or 304.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers this program acts on.
    pub headers: ReplyHeaders,
    /// May hold a token: wiped on drop, and shown by nothing.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// The body, read as JSON.
    ///
    /// What is deserialised into a `String` is no longer wiped: take a token into a type that does.
    ///
    /// # Errors
    ///
    /// [`GitHubError::BadAnswer`] without any of the text. The call itself succeeded at GitHub.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, GitHubError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Line and column only: serde's own words may quote a value.
            let (line, column) = (error.line(), error.column());
            let begins = self.body.trim_ascii_start();
            GitHubError::BadAnswer {
                status: self.status,
                what: match begins.starts_with(b"<") {
                    true => BadAnswer::WebPage,
                    false => BadAnswer::NotAsDescribed { line, column },
                },
            }
        })
    }
}

/// The response headers this program acts on. None of them is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyHeaders {
    /// `X-OAuth-Scopes`: `None` if the header is absent, empty if it is.
    pub scopes: Option<Vec<String>>,
    /// `X-Accepted-GitHub-Permissions`, as it stands.
    pub accepted_permissions: Option<String>,
    /// `GitHub-Authentication-Token-Expiration`, as it stands: it has two formats.
    pub token_expires: Option<String>,
    /// GitHub's clock.
    pub date: Option<Timestamp>,
    /// `X-GitHub-SSO`, as it stands.
    pub sso: Option<String>,
    /// `Link rel="next"`: the path of the next page, fit for [`super::Call::path`].
    pub next: Option<String>,
    /// The primary rate limit.
    pub rate: Option<ResourceLimit>,
    /// How long to wait, from `Retry-After` in either form.
    pub retry_after: Option<Duration>,
    /// `X-GitHub-Request-Id`, if it looks like one: for a question to GitHub's support.
    pub request_id: Option<String>,
}

impl ReplyHeaders {
    /// Reads what is there. A header that does not parse is as good as absent: none is worth failing
    /// a call that succeeded.
    pub(super) fn read(headers: &HeaderMap, base: &BaseUrl) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let owned = |name: &str| text(name).map(|value| shorten(value).to_owned());
        Self {
            scopes: text("x-oauth-scopes").map(token_kind::scopes),
            accepted_permissions: owned("x-accepted-github-permissions"),
            token_expires: owned("github-authentication-token-expiration"),
            sso: owned("x-github-sso"),
            next: text("link")
                .and_then(next_link)
                .and_then(|url| base.relative(url)),
            request_id: text("x-github-request-id").and_then(request_id),
            ..Self::limits(headers)
        }
    }

    /// Reads what [`super::Limits`] takes in, and leaves the rest empty.
    pub(super) fn limits(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
        let rate = || {
            Some(ResourceLimit {
                resource: resource_name(text("x-ratelimit-resource").unwrap_or("core"))?,
                rate: RateLimit {
                    limit: number("x-ratelimit-limit")?,
                    remaining: number("x-ratelimit-remaining")?,
                    reset_at: epoch(number("x-ratelimit-reset")?)?,
                },
            })
        };
        Self {
            date: text("date").and_then(http_date),
            rate: rate(),
            retry_after: https::retry_after(headers),
            ..Self::default()
        }
    }
}

/// Seconds since the epoch as a moment.
pub(super) fn epoch(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// A resource's name, if it looks like one: names are kept in memory and become labels.
pub(super) fn resource_name(text: &str) -> Option<String> {
    let good = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    good.then(|| text.into())
}

/// A request's id, if it looks like one and not like a token, which has a `_`: it goes into the trace.
fn request_id(text: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-');
    ((1..=64).contains(&text.len()) && text.bytes().all(good)).then(|| text.to_owned())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms of RFC 9110 are not sent by anyone here.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

/// `<URL>; rel="next", <URL>; rel="last"`.
fn next_link(text: &str) -> Option<&str> {
    text.split(',').find_map(|link| {
        let (url, attributes) = link.trim().strip_prefix('<')?.split_once('>')?;
        let next = attributes
            .split(';')
            .any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        next.then_some(url)
    })
}

/// What is kept of a header that stands in an error or in the store.
fn shorten(text: &str) -> &str {
    text.get(..LONGEST_HEADER).unwrap_or(text)
}

/// More than the longest list of permissions GitHub documents for an endpoint.
const LONGEST_HEADER: usize = 1024;

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> ReplyHeaders {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        ReplyHeaders::read(&headers, &BaseUrl::default())
    }

    #[test]
    fn headers_of_a_real_answer_are_read() {
        // As recorded in `@octokit/fixtures`, with the documented ones beside.
        let headers = read(&[
            ("date", "Tue, 10 Oct 2017 16:00:00 GMT"),
            ("x-oauth-scopes", "repo, user"),
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "1507654800"),
            ("x-ratelimit-resource", "core"),
            ("x-github-request-id", "DB7E:2BB0:1:2:59DCF0D0"),
            (
                "link",
                "<https://api.github.com/user/repos?page=3>; rel=\"last\", \
                 <https://api.github.com/user/repos?page=2>; rel=\"next\"",
            ),
        ]);
        assert_eq!(
            headers.scopes,
            Some(vec!["repo".to_owned(), "user".to_owned()])
        );
        assert_eq!(headers.next.as_deref(), Some("/user/repos?page=2"));
        assert_eq!(
            headers.request_id.as_deref(),
            Some("DB7E:2BB0:1:2:59DCF0D0")
        );
        let odd = read(&[("x-github-request-id", "ghp_canary")]);
        assert_eq!(odd.request_id, None);
        let ResourceLimit { resource, rate } = headers.rate.unwrap();
        assert_eq!(
            (rate.limit, rate.remaining, &*resource),
            (5000, 4999, "core")
        );
        assert_eq!(rate.reset_at.as_second(), 1_507_654_800);
        assert_eq!(headers.date.unwrap().as_second(), 1_507_651_200);
    }

    #[test]
    fn an_absent_scope_header_is_not_an_empty_one() {
        assert_eq!(read(&[]).scopes, None);
        assert_eq!(read(&[("x-oauth-scopes", "")]).scopes, Some(Vec::new()));
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date_by_githubs_clock() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let wait = |pairs: &[_]| read(pairs).retry_after.map(|wait| wait.as_secs());
        assert_eq!(wait(&[("retry-after", "61")]), Some(61));
        assert_eq!(
            wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]),
            Some(60)
        );
        assert_eq!(
            wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")]),
            Some(0)
        );
        assert_eq!(
            wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]),
            None
        );
        assert_eq!(wait(&[("retry-after", "soon")]), None);
    }

    #[test]
    fn a_rate_with_a_part_missing_or_odd_is_none() {
        let whole = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "1"),
            ("x-ratelimit-reset", "1507654800"),
        ];
        assert_eq!(&*read(&whole).rate.unwrap().resource, "core");
        assert_eq!(read(&whole[..2]).rate, None);
        let mut odd = whole.to_vec();
        odd.push(("x-ratelimit-resource", "a name\u{7f}{}"));
        assert!(read(&odd[..3]).rate.is_some());
        odd[3].1 = "Not A Name";
        assert_eq!(read(&odd).rate, None);
    }
}
