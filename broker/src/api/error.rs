//! From errors to `application/problem+json`.

use std::borrow::Cow;
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
    retry_after: Option<Duration>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            retry_after: None,
        }
    }
}

impl Refusal {
    /// The request is malformed.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(ErrorCode::BadRequest, detail).into()
    }

    /// Answers with another HTTP status than the code's own.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.problem.status = status.as_u16();
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut problem = self.problem;
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A detail may name what the caller sent, and callers put tokens where names belong.
        let detail = Zeroizing::new(std::mem::take(&mut problem.detail));
        let masked = redact::mask(detail.as_bytes()).into_owned();
        problem.detail = String::from_utf8(masked).unwrap_or_default();
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, after.as_secs().into());
        }
        response
    }
}

impl<E: ApiError> From<E> for Refusal {
    fn from(error: E) -> Self {
        let Answer {
            code,
            retry_after,
            hint,
        } = error.answer();
        // The causes are for the operator, and only faults are worth a line: refusals are in the audit log.
        if code.status() >= 500 {
            tracing::error!(code = code.as_str(), "{}", causes::describe(&error));
        }
        let mut problem = Problem::new(code, error.to_string());
        problem.hint = hint.map(Cow::into_owned);
        Self {
            problem: Box::new(problem),
            retry_after,
        }
    }
}
