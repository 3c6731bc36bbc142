//! `/v1/sources`: whether values outside the vault can be read.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker_protocol::api::SourcesProbed;

use super::error::Refusal;
use super::extract::Operator;
use super::to_completion::to_completion;
use crate::app::App;
use crate::secrets::Secrets;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/sources/probe", post(probe_sources))
}

/// Asks every source for its value.
///
/// Files, the keyring and 1Password, and 1Password for what is left of its limits. A cached value that
/// is fresh is not read again, and a source that failed a moment ago is not asked again yet. Each use is
/// recorded before. A source that gives no value is an answer, not an error.
///
/// # Answers
///
/// - 200: they were asked
/// - 503 `LockedOrNotRecorded`
async fn probe_sources(
    State(secrets): State<Arc<Secrets>>,
    Operator(by): Operator,
) -> Result<Json<SourcesProbed>, Refusal> {
    let probing = to_completion(async move { secrets.probe_sources(&by).await });
    Ok(Json(probing.await?))
}
