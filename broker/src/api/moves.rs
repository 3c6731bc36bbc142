//! `/v1/secrets/{name}/move`: from one source to another. Operators only; no value goes in or out.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker_protocol::moving::{MoveSecret, MoveView};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;

use super::error::Refusal;
use super::extract::{Body, Named, Operator};
use super::to_completion::completed;
use crate::app::App;
use crate::moves::{MoveMode, Moves};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/secrets/{name}/move", post(move_secret))
        .route("/v1/secrets/{name}/move/back", post(move_back))
        .route("/v1/secrets/{name}/move/finish", post(finish_move))
}

/// Moves a value to another source, or continues a move.
///
/// Reads the value, reads what the new source holds, writes the value there where the broker can (the
/// vault, the keyring, Connect) and compares. Then a line of a policy must change, which the answer
/// names and the broker never writes; once the policies in force name the new source, the next call
/// checks that it gives the value. Each reading and step is recorded. No value goes in or out.
///
/// # Answers
///
/// - 200: the status, and what is next
/// - 404 `NoMove`, 409 `MoveConflict`, 500 `Internal`, 502 `SourceUnavailable`,
///   503 `LockedOrNotRecorded`
async fn move_secret(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    Body(body): Body<MoveSecret>,
) -> Result<Json<MoveView>, Refusal> {
    let to = body.to.parse::<SourceSpec>();
    let to = to.map_err(|why| Refusal::bad_request(why.to_string().replace("`source`", "`to`")))?;
    let how = match (body.dry_run, body.replace) {
        (true, _) => MoveMode::DryRun,
        (false, true) => MoveMode::Replace,
        (false, false) => MoveMode::Careful,
    };
    completed(async move { moves.move_secret(&by, &name, &to, how).await }).await
}

/// Moves back to the old source.
///
/// Checks that the old source still gives the value and names the line that leads back; once the
/// policies in force name it, the next call ends the move. The copy in the new source stays. Possible
/// until the move is finished.
///
/// # Answers
///
/// - 200: the status, and what is next
/// - 404 `NoMove`, 409 `MoveConflict`, 500 `Internal`, 502 `SourceUnavailable`,
///   503 `LockedOrNotRecorded`
async fn move_back(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<MoveView>, Refusal> {
    completed(async move { moves.move_back(&by, &name).await }).await
}

/// Erases the old copy.
///
/// Only where both sources hold the same value, or the old one holds none any more. Where the operator
/// must remove it, the text says how. Leases go on. There is no way back then.
///
/// # Answers
///
/// - 200: the status, and what is next
/// - 404 `NoMove`, 409 `MoveConflict`, 500 `Internal`, 502 `SourceUnavailable`,
///   503 `LockedOrNotRecorded`
async fn finish_move(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<MoveView>, Refusal> {
    completed(async move { moves.finish_move(&by, &name).await }).await
}
