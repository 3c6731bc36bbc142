//! HTTP API v1: parse, call, answer; nothing is decided here.
//!
//! A route is one function: its doc comment, parameters and return type are what `docs/openapi.json` says
//! of it (`tests/openapi` writes that file from them). Each file lists its own in `routes`.
//!
//! Every route asks the kernel again who is on the other end (`Asking`); routes for operators take an
//! `Operator`, which only an operator's request can become.

mod admin;
mod audit;
mod error;
mod extract;
mod leases;
mod moves;
mod page;
mod policies;
mod purposes;
mod repositories;
mod rotations;
mod secrets;
mod status;
mod to_completion;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use broker_protocol::api::{DEV, DEV_HEADER};
use broker_protocol::error::{ErrorCode, Problem};
use tower::ServiceExt as _;

use self::error::Refusal;
pub use self::status::metrics_router;
use crate::app::App;

/// How long a request may take, its body included. `tail -f` waits half as long at most.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// The API, ready to answer.
#[derive(Clone)]
pub struct Api {
    router: Router,
    is_dev: bool,
}

impl Api {
    /// Every route, over these services.
    #[must_use]
    pub fn of(app: App) -> Self {
        Self {
            is_dev: app.config.is_dev(),
            router: router(app),
        }
    }

    /// Answers one request, which carries its [`Peer`](crate::caller::Peer) as an extension, within
    /// a minute.
    pub async fn answer(&self, request: Request) -> Response {
        // Around the router: as a layer, it would cost each route a box of its own.
        let answering = self.router.clone().oneshot(request);
        let mut answer = match tokio::time::timeout(REQUEST_LIMIT, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => {
                let detail = format!("the request took more than {} s", REQUEST_LIMIT.as_secs());
                let refusal = Refusal::bad_request(detail);
                let refusal = refusal.with_status(StatusCode::REQUEST_TIMEOUT);
                refusal.into_response()
            }
        };
        if self.is_dev {
            mark_dev(&mut answer);
        }
        answer
    }
}

/// Says in an answer that it comes from `tokend --dev`.
pub(crate) fn mark_dev(answer: &mut Response) {
    let not_for_use = HeaderValue::from_static(DEV);
    answer.headers_mut().insert(DEV_HEADER, not_for_use);
}

fn router(app: App) -> Router {
    Router::new()
        .merge(leases::routes())
        .merge(purposes::routes())
        .merge(status::routes())
        .merge(secrets::routes())
        .merge(moves::routes())
        .merge(rotations::routes())
        .merge(repositories::routes())
        .merge(policies::routes())
        .merge(admin::routes())
        .merge(audit::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

async fn no_such_path(request: Request) -> Refusal {
    let detail = format!("there is no path `{}`", request.uri().path());
    Problem::new(ErrorCode::NotFound, detail)
        .with_hint("GET /v1/openapi.json lists all paths")
        .into()
}

async fn no_such_method(request: Request) -> Refusal {
    let detail = format!(
        "`{}` does not support {}",
        request.uri().path(),
        request.method()
    );
    let problem = Problem::new(ErrorCode::BadRequest, detail)
        .with_hint("GET /v1/openapi.json lists all paths");
    Refusal::from(problem).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
