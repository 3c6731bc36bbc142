//! Answers in the form of GitHub's own: JSON, and text for git.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use broker_protocol::api::ERROR_HEADER;
use broker_protocol::error::ErrorCode;
use broker_secret_memory::redact;
use serde_json::json;

use crate::forwarding::{Refusal, UpstreamAnswer};

const TOKEND_ERROR: HeaderName = HeaderName::from_static(ERROR_HEADER);
/// What makes clients wait for the end of a budget.
/// Source: GitHub REST documentation, “Rate limits for the REST API”.
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// What git prints, each line as `remote: …`.
    Text,
}

/// A refusal of the broker's own, before the request is read.
pub(crate) fn refusal(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    in_form(Form::Json, status, code, message)
}

fn in_form(form: Form, status: StatusCode, code: ErrorCode, message: &str) -> Response {
    let masked = redact::mask(message.as_bytes());
    let message = str::from_utf8(&masked).unwrap_or_default();
    let (kind, body) = match form {
        Form::Json => {
            let body = json!({
                "message": message,
                "documentation_url": format!("urn:tokend:error:{}", code.as_str()),
                "status": status.as_u16().to_string(),
            });
            ("application/json; charset=utf-8", body.to_string())
        }
        Form::Text => ("text/plain; charset=utf-8", format!("tokend: {message}\n")),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (TOKEND_ERROR, HeaderValue::from_static(code.as_str())),
    ];
    (status, headers, body).into_response()
}

pub(super) fn refused(refusal: &Refusal, form: Form) -> Response {
    let status = StatusCode::from_u16(refusal.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = in_form(form, status, refusal.code, &refusal.why);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // What makes git ask its credential helpers.
        let basic = HeaderValue::from_static("Basic realm=\"GitHub\"");
        headers.insert(WWW_AUTHENTICATE, basic);
    }
    if let Some(after) = refusal.retry_after {
        headers.insert(RETRY_AFTER, after.as_secs().into());
    }
    if let Some(used_up) = refusal.used_up {
        if let Some(limit) = used_up.limit {
            headers.insert(RATE_LIMIT, limit.into());
        }
        headers.insert(RATE_REMAINING, HeaderValue::from_static("0"));
        headers.insert(RATE_RESET, used_up.reset_at.as_second().into());
    }
    response
}

pub(super) fn passed_on(answer: UpstreamAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status);
    let mut response = Response::new(Body::new(answer.body));
    *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answer.headers;
    response
}
