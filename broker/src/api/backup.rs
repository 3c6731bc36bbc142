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
use super::to_completion::to_completion;
use crate::app::App;
use crate::operations::Operations;
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::post;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/backup", post(back_up))
}

/// Makes a backup.
///
/// The answer is the file: vault, root key, policies in force, configuration and the head of the audit
/// log, sealed under the passphrase as docs/backup-format.md says. A record that names its SHA-256 is
/// durable before the first byte leaves.
///
/// # Answers
///
/// - 200 `application/octet-stream`: the backup
/// - 409 `PoliciesNotInForce`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn back_up(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(body): SecretBody<BackUp>,
) -> Result<Response, Refusal> {
    let passphrase = Passphrase::new(body.passphrase);
    let bytes = to_completion(async move { operations.back_up(&by, passphrase).await }).await?;
    // Sealed under the passphrase; with its length, so that whoever reads it can tell a broken end.
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from(bytes)).into_response())
}
