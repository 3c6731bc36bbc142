//! `/v1/sources`: whether values that lie elsewhere can be had.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker_protocol::api::SourcesProbed;

use super::error::Refusal;
use super::extract::Operator;
use super::to_its_end::to_its_end;
use crate::secrets::Secrets;

pub(super) async fn probe(
    State(secrets): State<Arc<Secrets>>,
    Operator(by): Operator,
) -> Result<Json<SourcesProbed>, Refusal> {
    let probing = to_its_end(async move { secrets.probe_sources(&by).await });
    Ok(Json(probing.await?))
}
