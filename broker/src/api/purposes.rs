//! `/v1/purposes`: what callers may ask for.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use broker_protocol::api::{PurposeList, PurposeView};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::Purpose;

use super::error::Refusal;
use super::extract::{Asking, Named};
use super::page::{After, Listed, page_by_name};
use crate::app::App;
use crate::status::Status;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/purposes", get(list_purposes))
        .route("/v1/purposes/{purpose}", get(show_purpose))
}

/// Lists purposes.
///
/// Those that some rule allows the caller; all of them for an operator.
///
/// # Answers
///
/// - 200: purposes
async fn list_purposes(
    State(status): State<Arc<Status>>,
    Asking(caller): Asking,
    after: After,
) -> Result<Listed<PurposeList>, Refusal> {
    let purposes = status.purposes(&caller);
    page_by_name("purposes", purposes, |one| one.purpose.to_string(), &after)
}

/// Shows a purpose.
///
/// # Answers
///
/// - 200: the purpose as policy gives it to the caller
/// - 403 `PurposeDenied`
async fn show_purpose(
    State(status): State<Arc<Status>>,
    Asking(caller): Asking,
    Named(purpose): Named<Purpose>,
) -> Result<Json<PurposeView>, Refusal> {
    let view = status.purpose(&caller, &purpose);
    // The same answer for a purpose that does not exist and one that is not for this caller.
    let detail = || format!("purpose `{purpose}` is not allowed for this caller");
    view.map(Json)
        .ok_or_else(|| Problem::new(ErrorCode::Denied, detail()).into())
}
