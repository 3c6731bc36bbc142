//! Backups: the answer is the file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::Response;
use broker_protocol::api::BackUp;
use broker_vault::root_key::Passphrase;

use super::error::Refusal;
use super::extract::{Operator, SecretBody};
use super::to_its_end::to_its_end;
use crate::operations::Operations;
use axum::response::IntoResponse as _;

pub(super) async fn make(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(asked): SecretBody<BackUp>,
) -> Result<Response, Refusal> {
    let passphrase = Passphrase::new(asked.passphrase);
    let bytes = to_its_end(async move { operations.back_up(&by, passphrase).await }).await?;
    // Sealed under the passphrase; with its length, so that whoever reads it can tell a broken end.
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from(bytes)).into_response())
}
