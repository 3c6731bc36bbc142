//! `/v1/repositories`: which repository a name means, and forgetting it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get};
use axum::{Json, Router};
use broker_protocol::api::{PinnedRepository, RepositoryList};
use broker_protocol::names::{NameError, RepoPattern};

use super::error::Refusal;
use super::extract::Operator;
use super::page::{After, Listed, page_by_name};
use super::to_completion::completed;
use crate::app::App;
use crate::minting::Minting;
use crate::operations::Operations;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/repositories", get(list_repositories))
        .route("/v1/repositories/{owner}/{name}", delete(unpin_repository))
}

/// Lists the ids that are kept for names of repositories.
///
/// Tokens of an App are minted for ids. The id that a name had at its first mint is kept, so that a name
/// that changes hands never gives a lease the repository of someone else.
///
/// # Answers
///
/// - 200: repositories
async fn list_repositories(
    State(minting): State<Arc<Minting>>,
    _operator: Operator,
    after: After,
) -> Result<Listed<RepositoryList>, Refusal> {
    let pinned = minting.pinned_repositories();
    page_by_name(
        "repositories",
        pinned,
        |one| one.repository.to_string(),
        &after,
    )
}

/// Forgets which repository a name means.
///
/// For one that was deleted and created again on purpose: the next token for it is asked for by name,
/// and the id it has then is kept. Tokens that were minted for the old one are no longer shared.
///
/// # Answers
///
/// - 200: what was forgotten
/// - 404 `NotPinned`, 500 `Internal`, 503 `NotRecorded`
async fn unpin_repository(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    Path((owner, name)): Path<(String, String)>,
) -> Result<Json<PinnedRepository>, Refusal> {
    let repository: RepoPattern = format!("{owner}/{name}")
        .parse()
        .map_err(|error: NameError| Refusal::bad_request(error.to_string()))?;
    completed(async move { operations.unpin_repository(&by, &repository).await }).await
}
