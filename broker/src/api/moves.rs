//! `/v1/secrets/{name}/move`: from one source to another. Operators only; no value goes in or out. What
//! changes something is done to its end, also if the caller hangs up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker_policy::{NoSource, SourceSpec};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::moving::{MoveSecret, MoveView};
use broker_protocol::names::SecretName;

use super::error::Refusal;
use super::extract::{Body, Named, Operator};
use super::to_its_end::to_its_end;
use crate::moves::{How, Moves};

pub(super) async fn go_on(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    Body(asked): Body<MoveSecret>,
) -> Result<Json<MoveView>, Refusal> {
    let bad = |why: NoSource| {
        let why = why.to_string().replace("`source`", "`to`");
        Problem::new(ErrorCode::BadRequest, why)
    };
    let to: SourceSpec = asked.to.parse().map_err(bad)?;
    let how = match (asked.dry_run, asked.replace) {
        (true, _) => How::DryRun,
        (false, true) => How::Replace,
        (false, false) => How::Careful,
    };
    let moved = to_its_end(async move { moves.move_secret(&by, &name, &to, how).await }).await;
    Ok(Json(moved?))
}

pub(super) async fn back(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<MoveView>, Refusal> {
    let back = to_its_end(async move { moves.move_back(&by, &name).await }).await;
    Ok(Json(back?))
}

pub(super) async fn finish(
    State(moves): State<Arc<Moves>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<MoveView>, Refusal> {
    let finished = to_its_end(async move { moves.finish_move(&by, &name).await }).await;
    Ok(Json(finished?))
}
