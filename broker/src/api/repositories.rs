//! `/v1/repositories`: which repository a name means, and forgetting it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use broker_protocol::api::PinnedRepository;
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::{NameError, RepoPattern};

use super::error::Refusal;
use super::extract::Operator;
use super::page::{After, page};
use super::to_its_end::to_its_end;
use crate::minting::Minting;
use crate::operations::Operations;

pub(super) async fn list(
    State(minting): State<Arc<Minting>>,
    _operator: Operator,
    after: After,
) -> Result<Response, Refusal> {
    let pinned = minting.pinned_repositories().into_iter();
    let pinned = pinned.map(|pinned| (pinned.repository.to_string(), pinned));
    page(
        "repositories",
        pinned.filter(|(name, _)| after.is_before(name)),
    )
}

pub(super) async fn unpin(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    Path((owner, name)): Path<(String, String)>,
) -> Result<Json<PinnedRepository>, Refusal> {
    let repository: RepoPattern = format!("{owner}/{name}")
        .parse()
        .map_err(|error: NameError| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
    let unpinning = to_its_end(async move { operations.unpin_repository(&by, &repository).await });
    Ok(Json(unpinning.await?))
}
