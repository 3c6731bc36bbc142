//! HTTP API v1: parse, call, answer; nothing is decided here.
//!
//! Every route first asks the kernel again who is on the other end (`Asking`); routes that change
//! things take an `Operator`, which only an operator's request can become.

mod admin;
mod audit;
mod backup;
mod error;
mod extract;
mod leases;
mod moves;
mod page;
mod rekey;
mod repositories;
mod rotations;
mod secrets;
mod sources;
mod to_its_end;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use broker_protocol::api::{self, Health, PurposeView};
use broker_protocol::error::{ErrorCode, Problem};
use error::Refusal;
use extract::{Asking, Named, Operator};
use page::{After, page};

use crate::app::App;
use crate::config::Config;
use crate::leases::Leases;
use crate::status::Status;
use axum::response::IntoResponse as _;
use tower::ServiceExt as _;

/// How long a request may take, its body included. `tail -f` waits half as long at most.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// The API, ready to answer.
#[derive(Clone)]
pub struct Api(Router);

impl Api {
    /// Every route, over these services.
    #[must_use]
    pub fn of(app: App) -> Self {
        Self(router(app))
    }

    /// Answers one request, which carries its [`Peer`](crate::caller::Peer) as an extension, within
    /// a minute.
    pub async fn answer(&self, request: Request) -> Response {
        // Around the router and not a layer of it, which would cost each route a box of its own.
        let answering = self.0.clone().oneshot(request);
        match tokio::time::timeout(REQUEST_LIMIT, answering).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => {
                let detail = format!("the request took more than {} s", REQUEST_LIMIT.as_secs());
                error::respond(
                    StatusCode::REQUEST_TIMEOUT,
                    Problem::new(ErrorCode::BadRequest, detail),
                )
            }
        }
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/v1/leases", get(leases::list).post(leases::take))
        .route("/v1/leases/{id}", get(leases::show).delete(leases::revoke))
        .route("/v1/leases/{id}/renew", post(leases::renew))
        .route("/v1/purposes", get(purposes))
        .route("/v1/purposes/{purpose}", get(purpose))
        .route("/v1/status", get(status))
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/secrets", get(secrets::list))
        .route(
            "/v1/secrets/{name}",
            get(secrets::show).put(secrets::set).delete(secrets::remove),
        )
        .route("/v1/secrets/{name}/undo", post(secrets::undo))
        .route("/v1/secrets/{name}/check", post(secrets::check))
        .route("/v1/secrets/{name}/revoke", post(rotations::revoke_secret))
        .route("/v1/secrets/{name}/move", post(moves::go_on))
        .route("/v1/secrets/{name}/move/back", post(moves::back))
        .route("/v1/secrets/{name}/move/finish", post(moves::finish))
        .route("/v1/secrets/{name}/sinks", get(rotations::sinks))
        .route("/v1/secrets/{name}/sinks/push", post(rotations::push))
        .route("/v1/repositories", get(repositories::list))
        .route(
            "/v1/repositories/{owner}/{name}",
            delete(repositories::unpin),
        )
        .route("/v1/rotations", get(rotations::list))
        .route(
            "/v1/rotations/{name}",
            get(rotations::show).post(rotations::begin),
        )
        .route("/v1/rotations/{name}/next", post(rotations::next))
        .route("/v1/rotations/{name}/confirm", post(rotations::confirm))
        .route("/v1/rotations/{name}/rollback", post(rotations::roll_back))
        .route("/v1/sources/probe", post(sources::probe))
        .route("/v1/lock", post(admin::lock))
        .route("/v1/unlock", post(admin::unlock))
        .route("/v1/rekey", post(rekey::rekey))
        .route("/v1/backup", post(backup::make))
        .route("/v1/policies/reload", post(admin::reload))
        .route("/v1/audit/head", get(audit::head))
        .route("/v1/audit/records", get(audit::records))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

/// `/metrics` alone, for a scraper that cannot use a Unix socket.
pub fn metrics_router(app: App) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(|State(status): State<Arc<Status>>| async move { exposition(&status) }),
        )
        .with_state(app)
}

async fn status(
    State(status): State<Arc<Status>>,
    State(leases): State<Arc<Leases>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
) -> Json<api::Status> {
    if config.is_operator(&caller) {
        leases.settle_usage().await;
        status.named_files().look().await;
    }
    Json(status.status(&caller))
}

async fn purposes(
    State(status): State<Arc<Status>>,
    Asking(caller): Asking,
    after: After,
) -> Result<Response, Refusal> {
    let purposes = status.purposes(&caller).into_iter();
    let purposes = purposes.map(|view| (view.purpose.to_string(), view));
    page(
        "purposes",
        purposes.filter(|(name, _)| after.is_before(name)),
    )
}

async fn purpose(
    State(status): State<Arc<Status>>,
    Asking(caller): Asking,
    Named(purpose): Named<broker_protocol::names::Purpose>,
) -> Result<Json<PurposeView>, Refusal> {
    let view = status.purpose(&caller, &purpose);
    // The same answer for a purpose that is not there and one that is not theirs.
    let detail = || format!("purpose `{purpose}` is not allowed for this caller");
    view.map(Json)
        .ok_or_else(|| Problem::new(ErrorCode::Denied, detail()).into())
}

async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        reasons: Vec::new(),
    })
}

async fn readyz(
    State(status): State<Arc<Status>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
) -> Response {
    let reasons = status.not_ready();
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let reasons = if config.is_operator(&caller) {
        reasons
    } else {
        Vec::new()
    };
    (
        code,
        Json(Health {
            status: status.to_owned(),
            reasons,
        }),
    )
        .into_response()
}

async fn metrics(State(status): State<Arc<Status>>, _operator: Operator) -> Response {
    exposition(&status)
}

fn exposition(status: &Status) -> Response {
    let text = status.metrics_text();
    (
        [("content-type", "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

async fn openapi() -> Response {
    let text = include_str!("../../../docs/openapi.json");
    ([("content-type", "application/json")], text).into_response()
}

async fn no_such_path(request: Request) -> Refusal {
    let detail = format!("there is nothing at `{}`", request.uri().path());
    Problem::new(ErrorCode::NotFound, detail)
        .with_hint("GET /v1/openapi.json lists what there is")
        .into()
}

async fn no_such_method(request: Request) -> Response {
    let detail = format!(
        "`{}` does not take {}",
        request.uri().path(),
        request.method()
    );
    let problem = Problem::new(ErrorCode::BadRequest, detail)
        .with_hint("GET /v1/openapi.json lists what there is");
    error::respond(StatusCode::METHOD_NOT_ALLOWED, problem)
}
