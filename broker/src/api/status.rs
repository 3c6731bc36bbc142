//! The broker's status, its health, its metrics, and the description of this API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use broker_protocol::api::{self, Health};
use prometheus_client::encoding::prometheus_text;

use super::extract::{Asking, Operator};
use crate::app::App;
use crate::config::Config;
use crate::leases::Leases;
use crate::policies::Policies;
use crate::status::Status;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/openapi.json", get(openapi))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
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

/// Shows the broker's status.
///
/// The caller's own part; all of it for operators.
///
/// # Answers
///
/// - 200: the status
async fn status(
    State(status): State<Arc<Status>>,
    State(leases): State<Arc<Leases>>,
    State(policies): State<Arc<Policies>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
) -> Json<api::Status> {
    if config.is_operator(&caller) {
        leases.flush_usage().await;
        policies.look_at_files().await;
        status.named_files.look().await;
    }
    Json(status.status(&caller))
}

/// Returns this description.
///
/// # Answers
///
/// - 200 `application/json`: OpenAPI 3.1
async fn openapi() -> Response {
    let text = include_str!("../../../docs/openapi.json");
    ([("content-type", "application/json")], text).into_response()
}

/// Reports that the broker is alive.
///
/// Answers everyone who reaches the socket.
///
/// # Answers
///
/// - 200: it is
async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        reasons: Vec::new(),
    })
}

/// Reports whether the broker would grant a lease.
///
/// The reasons are for operators.
///
/// # Answers
///
/// - 200: it would
/// - 503: it would not
async fn readyz(
    State(status): State<Arc<Status>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
) -> (StatusCode, Json<Health>) {
    let mut reasons = status.not_ready();
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    if !config.is_operator(&caller) {
        reasons.clear();
    }
    let status = status.to_owned();
    (code, Json(Health { status, reasons }))
}

/// Returns metrics.
///
/// In Prometheus' text form. `[metrics] listen` serves the same over TCP without asking who reads it.
///
/// # Answers
///
/// - 200 `text/plain`: metrics
async fn metrics(State(status): State<Arc<Status>>, _operator: Operator) -> Response {
    exposition(&status)
}

fn exposition(status: &Status) -> Response {
    let text = status.metrics_text();
    ([("content-type", prometheus_text::CONTENT_TYPE)], text).into_response()
}
