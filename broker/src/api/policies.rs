//! `/v1/policies`: loaded again, and explained.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker_protocol::api::{ExplainRequest, Explained, Reloaded};

use super::error::Refusal;
use super::extract::{Body, Operator};
use super::to_completion::completed;
use crate::app::App;
use crate::operations::Operations;
use crate::policies::Policies;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/policies/reload", post(reload_policies))
        .route("/v1/policies/explain", post(explain_policies))
}

/// Loads the policies again.
///
/// All files or none. Live leases are evaluated by the new set.
///
/// # Answers
///
/// - 200: they are in force
/// - 400 `PoliciesRefused`, 503 `NotRecorded`
async fn reload_policies(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
) -> Result<Json<Reloaded>, Refusal> {
    completed(async move { operations.reload_policies(Some(&by)).await }).await
}

/// Explains what the policies in force say.
///
/// To a request for a lease that is not made: which rule speaks for the caller, what each other one misses, and whether
/// the rule gives what is asked. Nothing is decided, recorded or handed out.
///
/// # Answers
///
/// - 200: what they say
/// - 400 `BadRequest`, 404 `NoSuchPurpose`
async fn explain_policies(
    State(policies): State<Arc<Policies>>,
    Operator(by): Operator,
    Body(body): Body<ExplainRequest>,
) -> Result<Json<Explained>, Refusal> {
    Ok(Json(policies.explain(body, by).await?))
}
