//! What is served on a socket, and what differs for it.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use broker_protocol::error::{ErrorCode, Problem};

use crate::api::Api;
use crate::proxy::{self, Proxy};

/// Answers the requests on a socket.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// How large bodies are.
    const BODIES: Bodies;

    /// Answers one request, which carries its [`Peer`](crate::caller::Peer) as an extension.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response> + Send;

    /// Whether this may be asked on the slots that are kept for operators: nothing that their own scripts
    /// ask again and again, or they would soon hold them all.
    fn is_for_kept_slots<B>(request: &Request<B>) -> bool;

    /// The answer where there is no slot.
    fn no_slot() -> Response;
}

/// How large the bodies of requests and answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// Short: a request is asked once it is whole, and is answered at once.
    Short,
    /// Of any size, and passed on as they come.
    Streamed,
}

impl Service for Api {
    const BODIES: Bodies = Bodies::Short;

    async fn answer(&self, request: Request<Body>) -> Response {
        Self::answer(self, request).await
    }

    fn is_for_kept_slots<B>(request: &Request<B>) -> bool {
        let takes_a_lease =
            request.method() == Method::POST && request.uri().path().starts_with("/v1/leases");
        !takes_a_lease
    }

    fn no_slot() -> Response {
        let problem = Problem::new(ErrorCode::RateLimited, TOO_MANY);
        let headers = [
            (CONTENT_TYPE, "application/problem+json"),
            (RETRY_AFTER, "1"),
        ];
        let body = serde_json::to_string(&problem).unwrap_or_default();
        (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
    }
}

impl Service for Proxy {
    const BODIES: Bodies = Bodies::Streamed;

    async fn answer(&self, request: Request<Body>) -> Response {
        Self::answer(self, request).await
    }

    fn is_for_kept_slots<B>(_request: &Request<B>) -> bool {
        false
    }

    fn no_slot() -> Response {
        let code = ErrorCode::RateLimited;
        let mut refusal = proxy::refusal(StatusCode::TOO_MANY_REQUESTS, code, TOO_MANY);
        let soon = HeaderValue::from_static("1");
        refusal.headers_mut().insert(RETRY_AFTER, soon);
        refusal
    }
}

const TOO_MANY: &str = "too many open connections; close some first";
