//! The proxy: requests to GitHub, under a token that only the broker honours. None is served yet.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// What the broker's own refusals are told by; GitHub's have none.
const TOKEND_ERROR: HeaderName = HeaderName::from_static("tokend-error");

/// The proxy, ready to answer.
#[derive(Clone)]
pub(crate) struct Proxy;

impl Proxy {
    /// Answers one request, which carries its [`Peer`](crate::caller::Peer) as an extension.
    pub(crate) async fn answer(&self, _request: Request<Body>) -> Response {
        let message = "requests to GitHub are not served by this version of tokend";
        refusal(StatusCode::NOT_IMPLEMENTED, "not_served", message)
    }
}

/// A refusal of the broker's own, in the form of GitHub's.
pub(crate) fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({
        "message": message,
        "documentation_url": format!("urn:tokend:error:{code}"),
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (TOKEND_ERROR, HeaderValue::from_static(code)),
    ];
    (status, headers, body.to_string()).into_response()
}
