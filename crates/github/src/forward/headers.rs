//! Which headers go on, in both directions.
//!
//! To GitHub only what is listed, so that nothing overrides or forwards (`X-HTTP-Method-Override`, `X-Forwarded-For`),
//! and no header that GitHub may learn tomorrow does today. To the caller all but what is listed: what concerns
//! one connection (RFC 9110, section 7.6.1), cookies, and what tells of the credential.

use broker_policy::reach::GithubHost;
use reqwest::Method;
use reqwest::header::{
    ACCEPT_ENCODING, ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_RANGE, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RANGE, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use super::Forward;

/// The headers of a request as they go to GitHub. `User-Agent`, without which GitHub refuses, is this program's where
/// there is none.
pub(super) fn for_github(asked: &Forward<'_>, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(ROOM);
    for (name, value) in asked.headers {
        match Listed::of(name, asked.host) {
            Some(Listed::List) => {
                headers.append(name, value.clone());
            }
            // Of two, servers choose differently.
            Some(Listed::One) => {
                headers.entry(name).or_insert_with(|| value.clone());
            }
            None => {}
        }
    }
    headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
    if asked.clone_token {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(RANGE);
        headers.remove(IF_RANGE);
    }
    // What curl says of any `--data`. GitHub's API reads it as JSON all the same, and so does what it is sent to;
    // an asset is of the type that its uploader says.
    if asked.host == GithubHost::Api && headers.get(CONTENT_TYPE).is_some_and(is_form) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let length = match &asked.body {
        Some(body) => body.length,
        // Where GitHub asks for it: “set Content-Length to zero when calling out to this endpoint”.
        None => [Method::POST, Method::PUT, Method::PATCH]
            .contains(&asked.method)
            .then_some(0),
    };
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers
}

/// Takes out of GitHub's headers what is not for the caller.
///
/// `Strict-Transport-Security` is about a connection that the caller does not have, as `Alt-Svc` is about a way round
/// this program; `Content-Security-Policy` is about the answer itself, and stays.
pub(super) fn for_caller(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // A length beside it would be another one.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in named {
        headers.remove(name);
    }
    for name in &DROPPED {
        headers.remove(name);
    }
}

/// Whether a body can be looked through: not compressed, and not a part, which may begin within a value.
pub(super) fn is_plain_and_whole(status: u16, headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    status != 206 && encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// How often a header of a request may stand there.
enum Listed {
    One,
    List,
}

impl Listed {
    /// `Time-Zone` is GitHub's own, and gh sends it with every request. Source: GitHub REST documentation,
    /// “Timezones and the REST API”.
    ///
    /// Source for git's: git's `gitprotocol-http` and `http.c`.
    fn of(name: &HeaderName, host: GithubHost) -> Option<Self> {
        match name.as_str() {
            "git-protocol" | "pragma" if host == GithubHost::Web => Some(Self::One),
            "accept" | "accept-encoding" | "accept-language" | "content-encoding" | "if-match"
            | "if-none-match" => Some(Self::List),
            "content-type"
            | "if-modified-since"
            | "if-range"
            | "if-unmodified-since"
            | "range"
            | "time-zone"
            | "user-agent"
            | "x-github-api-version" => Some(Self::One),
            _ => None,
        }
    }
}

/// The type has no parameters, but some clients write a charset.
fn is_form(value: &HeaderValue) -> bool {
    let kind = value.as_bytes().split(|byte| *byte == b';').next();
    kind.is_some_and(|kind| {
        kind.trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// More than an ordinary request has of those listed, so that the map does not grow.
const ROOM: usize = 16;

static DROPPED: [HeaderName; 18] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    ALT_SVC,
    STRICT_TRANSPORT_SECURITY,
    SET_COOKIE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-oauth-scopes"),
    HeaderName::from_static("x-accepted-oauth-scopes"),
    HeaderName::from_static("x-oauth-client-id"),
    HeaderName::from_static("github-authentication-token-expiration"),
    HeaderName::from_static("x-github-sso"),
];
