//! `/v1/rotations`, the sinks of a secret, and the end of a leaked one. Operators only; values go in and
//! never come out. Whatever changes something is done to its end, also if the caller hangs up.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{
    BeginRotation, ConfirmRotation, RotationView, SecretRevoked, SinkList,
};

use super::error::Refusal;
use super::extract::{Body, Named, Operator, SecretBody};
use super::page::{After, page};
use super::secrets::value_of;
use super::to_its_end::to_its_end;
use crate::checks::AT_SET;
use crate::rotations::{Given, Rotations};

pub(super) async fn list(
    State(rotations): State<Arc<Rotations>>,
    _operator: Operator,
    after: After,
) -> Result<Response, Refusal> {
    let rotations = rotations.rotations().await.into_iter();
    let rotations = rotations.map(|view| (view.secret.to_string(), view));
    page(
        "rotations",
        rotations.filter(|(name, _)| after.is_before(name)),
    )
}

pub(super) async fn show(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    let (asking, asked) = (Arc::clone(&rotations), name.clone());
    let learning = to_its_end(async move { asking.learn_scopes(&by, &asked).await });
    if tokio::time::timeout(AT_SET, learning).await.is_err() {
        tracing::info!(secret = %name, "GitHub does not say in time what the value in use carries");
    }
    Ok(Json(rotations.show_rotation(&name).await?))
}

pub(super) async fn begin(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    SecretBody(asked): SecretBody<BeginRotation>,
) -> Result<Json<RotationView>, Refusal> {
    let value = value_of(asked.value)?;
    let given = Given {
        value,
        entered: asked.expires_at,
        fewer_scopes: asked.fewer_scopes,
    };
    let begun = to_its_end(async move { rotations.begin_rotation(&by, &name, given).await }).await;
    Ok(Json(begun?))
}

pub(super) async fn next(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    let stepped = to_its_end(async move { rotations.next_step(&by, &name).await }).await;
    Ok(Json(stepped?))
}

pub(super) async fn confirm(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    Body(asked): Body<ConfirmRotation>,
) -> Result<Json<RotationView>, Refusal> {
    let after = Duration::from_secs(asked.revoke_after.unwrap_or(0));
    let confirmed =
        to_its_end(async move { rotations.confirm_rotation(&by, &name, after).await }).await;
    Ok(Json(confirmed?))
}

pub(super) async fn roll_back(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    let back = to_its_end(async move { rotations.roll_back_rotation(&by, &name).await }).await;
    Ok(Json(back?))
}

pub(super) async fn sinks(
    State(rotations): State<Arc<Rotations>>,
    _operator: Operator,
    Named(name): Named<SecretName>,
) -> Json<SinkList> {
    Json(rotations.sink_list(&name))
}

pub(super) async fn push(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SinkList>, Refusal> {
    let pushed = to_its_end(async move { rotations.push_sinks(&by, &name).await }).await;
    Ok(Json(pushed?))
}

pub(super) async fn revoke_secret(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SecretRevoked>, Refusal> {
    let revoked = to_its_end(async move { rotations.revoke_secret(&by, &name).await }).await;
    Ok(Json(revoked?))
}
