//! One request to GitHub on the wire and its answer. Nothing is tried twice here.

use broker_https::{self as https, BodyError, CannotBuild, Https, NoAnswer};
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use zeroize::Zeroizing;

use super::base::{BaseUrl, Redirect};
use super::error::GitHubError;
use super::reply::ReplyHeaders;

/// A request, made up once and sent as often as is right.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Shared by all attempts, wiped after the last.
    pub(super) body: Option<Bytes>,
}

/// An answer of whatever status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: ReplyHeaders,
    /// Where a 3xx points.
    pub(super) location: Option<Redirect>,
    pub(super) body: Result<Zeroizing<Vec<u8>>, BodyError>,
}

/// Sends it and reads the answer.
pub(super) async fn exchange(
    https: &Https,
    sent: &Sent,
    base: &BaseUrl,
) -> Result<Answer, GitHubError> {
    let client = https.client().await.map_err(|error| no_client(&error))?;
    let mut request = client
        .request(sent.method.clone(), sent.url.clone())
        .headers(sent.headers.clone());
    if let Some(body) = &sent.body {
        request = request.body(body.clone());
    }
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let headers = ReplyHeaders::read(response.headers(), base);
    let location = response
        .headers()
        .get(reqwest::header::LOCATION)
        .and_then(|value| base.redirect(value.to_str().ok()?));
    Ok(Answer {
        status,
        headers,
        location,
        body: https::whole_body(response, LARGEST_BODY).await,
    })
}

/// The headers of every call.
pub(super) fn headers(base: &BaseUrl, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/vnd.github+json"),
    );
    headers.insert("x-github-api-version", base.api_version());
    headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
    headers
}

/// Marked sensitive, and wiped after its use.
pub(super) fn authorization(credential: &str) -> Result<HeaderValue, GitHubError> {
    https::bearer(credential).map_err(|_cause| GitHubError::Unsendable)
}

/// What git endpoints take: they refuse Bearer.
///
/// Source: GitHub documentation, “Authenticating as a GitHub App installation”, for the user's name.
pub(super) fn authorization_for_git(credential: &str) -> Result<HeaderValue, GitHubError> {
    https::basic("x-access-token", credential).map_err(|_cause| GitHubError::Unsendable)
}

/// A JSON body, wiped when the last attempt is over; so is what it was made of.
pub(super) fn json_body(
    headers: &mut HeaderMap,
    value: serde_json::Value,
) -> Result<Bytes, GitHubError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    https::json_body(value)
        .map_err(|_cause| GitHubError::CannotAsk("the request cannot be written as JSON".into()))
}

/// That there is no connection pool, as an error.
pub(super) fn no_client(error: &CannotBuild) -> GitHubError {
    GitHubError::CannotAsk(error.in_words("[github] ca").into())
}

/// A request without an answer, as an error.
pub(super) fn unreachable(error: reqwest::Error) -> GitHubError {
    match NoAnswer::of(error) {
        NoAnswer::Unmakeable => GitHubError::CannotAsk("the request cannot be made up".into()),
        NoAnswer::NotReached(cause) => GitHubError::Unreachable(cause),
    }
}

/// The largest answer asked for is a token for 500 repositories: as many objects of six to eight
/// kilobytes. Twice that, so that GitHub may add fields.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
