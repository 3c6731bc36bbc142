//! From errors to `application/problem+json`.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker_protocol::causes;
use broker_protocol::error::{ErrorCode, Problem};
use broker_secret_memory::redact;
use zeroize::Zeroizing;

use crate::api_error::{Answer, ApiError};

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: Box<Problem>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            status: None,
            retry_after: None,
        }
    }
}

impl Refusal {
    /// Answers with another HTTP status than the code's own.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status.unwrap_or_else(|| {
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        });
        let mut response = respond(status, *self.problem);
        if let Some(after) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}

/// A problem as a response with this status.
pub(super) fn respond(status: StatusCode, mut problem: Problem) -> Response {
    problem.status = status.as_u16();
    // A detail may name what the caller sent, and callers put tokens where names belong.
    let detail = Zeroizing::new(std::mem::take(&mut problem.detail));
    problem.detail = masked(&detail);
    let mut response = (status, Json(problem)).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn masked(text: &str) -> String {
    String::from_utf8(redact::mask(text.as_bytes()).into_owned()).unwrap_or_default()
}

impl<E: ApiError> From<E> for Refusal {
    fn from(error: E) -> Self {
        let Answer {
            code,
            retry_after,
            hint,
        } = error.answer();
        trace(code, &error);
        let mut problem = Problem::new(code, error.to_string());
        problem.hint = hint.map(Cow::into_owned);
        Self {
            problem: Box::new(problem),
            status: None,
            retry_after,
        }
    }
}

/// The causes are for the operator, and only faults are worth a line: refusals are in the audit log.
fn trace(code: ErrorCode, error: &dyn Error) {
    if code.status() >= 500 {
        tracing::error!(code = code.as_str(), "{}", causes::describe(error));
    }
}
