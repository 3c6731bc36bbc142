//! Backups: the answer is the file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use broker_protocol::api::BackUp;

use super::error::Refusal;
use super::extract::{Operator, SecretBody};
use super::to_its_end::to_its_end;
use crate::broker::Broker;
use crate::vault::root_key::Passphrase;

pub(super) async fn make(
    State(broker): State<Arc<Broker>>,
    Operator(by): Operator,
    SecretBody(asked): SecretBody<BackUp>,
) -> Result<Response, Refusal> {
    let passphrase = Passphrase::new(asked.passphrase);
    let bytes = to_its_end(async move { broker.operations.back_up(&by, passphrase).await }).await?;
    // Sealed under the passphrase; with its length, so that whoever reads it can tell a broken end.
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from(bytes)).into_response())
}
