//! `/v1/rotations`, the sinks of a secret, and the revocation of a leaked one. Operators only; values go in
//! and never come out.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{
    BeginRotation, ConfirmRotation, RotationList, RotationView, SecretRevoked, SinkList,
};

use super::error::Refusal;
use super::extract::{Body, Named, Operator, SecretBody};
use super::page::{After, Listed, page_by_name};
use super::secrets::{takes_values, value_of};
use super::to_completion::{completed, to_completion};
use crate::app::App;
use crate::checks::AT_SET;
use crate::config::Config;
use crate::rotations::{Candidate, Rotations};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/rotations", get(list_rotations))
        .route(
            "/v1/rotations/{name}",
            get(show_rotation).post(begin_rotation),
        )
        .route("/v1/rotations/{name}/next", post(next_step))
        .route("/v1/rotations/{name}/confirm", post(confirm_rotation))
        .route("/v1/rotations/{name}/rollback", post(roll_back))
        .route("/v1/secrets/{name}/sinks", get(list_sinks))
        .route("/v1/secrets/{name}/sinks/push", post(push_sinks))
        .route("/v1/secrets/{name}/revoke", post(revoke_secret))
}

/// Lists rotations.
///
/// The last rotation of each secret that ever had one, under way or over.
///
/// # Answers
///
/// - 200: rotations
async fn list_rotations(
    State(rotations): State<Arc<Rotations>>,
    _operator: Operator,
    after: After,
) -> Result<Listed<RotationList>, Refusal> {
    let rotations = rotations.rotations().await;
    page_by_name("rotations", rotations, |one| one.secret.to_string(), &after)
}

/// Shows a rotation.
///
/// Also before the first: then where to create a new value, and every step there will be. Changes
/// nothing.
///
/// # Answers
///
/// - 200: the status
/// - 404 `NoRotation`, 409 `RotationConflict`
async fn show_rotation(
    State(rotations): State<Arc<Rotations>>,
    State(config): State<Arc<Config>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    // It says where to create a new value at GitHub.
    takes_values(&config)?;
    let (asker, secret) = (Arc::clone(&rotations), name.clone());
    let learning = to_completion(async move { asker.learn_scopes(&by, &secret).await });
    if tokio::time::timeout(AT_SET, learning).await.is_err() {
        tracing::info!(secret = %name, "GitHub did not answer in time which scopes the value in use has");
    }
    Ok(Json(rotations.show_rotation(&name).await?))
}

/// Begins a rotation with a new value.
///
/// The value is checked at GitHub first: same owner, enough scopes, a later end, not an old one. Then it
/// is stored and used, and the old one is kept. If it is the value of the last rotation, the answer is
/// the status of that one.
///
/// # Answers
///
/// - 200: the new value is in use
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn begin_rotation(
    State(rotations): State<Arc<Rotations>>,
    State(config): State<Arc<Config>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    SecretBody(body): SecretBody<BeginRotation>,
) -> Result<Json<RotationView>, Refusal> {
    let value = value_of(body.value, &config)?;
    let candidate = Candidate {
        value,
        entered: body.expires_at,
        fewer_scopes: body.fewer_scopes,
    };
    completed(async move { rotations.begin_rotation(&by, &name, candidate).await }).await
}

/// Takes the next step of a rotation.
///
/// One step, if it is the broker's: sinks, live call, revocation, proof. If a step fails at GitHub,
/// `failure` says why; it may be asked for again at once. The broker also takes its steps by itself.
///
/// # Answers
///
/// - 200: the status after that
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn next_step(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    completed(async move { rotations.next_step(&by, &name).await }).await
}

/// Confirms that the old value may be revoked.
///
/// Now or after a time; the broker does it then. Confirmed before the new value is verified, it holds
/// from there on.
///
/// # Answers
///
/// - 200: it is noted
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn confirm_rotation(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    Body(body): Body<ConfirmRotation>,
) -> Result<Json<RotationView>, Refusal> {
    let after = Duration::from_secs(body.revoke_after.unwrap_or(0));
    completed(async move { rotations.confirm_rotation(&by, &name, after).await }).await
}

/// Brings the old value back.
///
/// As a new version, until it is revoked at GitHub. The sinks get it again step by step.
///
/// # Answers
///
/// - 200: the old value is in use again
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn roll_back(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<RotationView>, Refusal> {
    completed(async move { rotations.roll_back_rotation(&by, &name).await }).await
}

/// Lists the sinks of a secret.
///
/// The places at GitHub that policies name with the secret, and the version each holds as far as its
/// date proves.
///
/// # Answers
///
/// - 200: the sinks
async fn list_sinks(
    State(rotations): State<Arc<Rotations>>,
    _operator: Operator,
    Named(name): Named<SecretName>,
) -> Json<SinkList> {
    Json(rotations.sink_list(&name))
}

/// Writes the value in use to its sinks.
///
/// To those that do not hold it. A failure of one does not stop the others; the answer tells which
/// failed, and the broker tries them again.
///
/// # Answers
///
/// - 200: the sinks after that
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn push_sinks(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SinkList>, Refusal> {
    completed(async move { rotations.push_sinks(&by, &name).await }).await
}

/// Revokes a leaked secret at GitHub.
///
/// Revokes every stored value of it at GitHub, revokes the leases on them, and checks that GitHub
/// refuses them; values that GitHub was seen to refuse are erased. There is no way back. A second call
/// continues where the first stopped.
///
/// # Answers
///
/// - 200: the outcome
/// - 404 `NoRotation`, 409 `RotationConflict`, 429 `RateLimited`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `RotationUnavailable`
async fn revoke_secret(
    State(rotations): State<Arc<Rotations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SecretRevoked>, Refusal> {
    completed(async move { rotations.revoke_secret(&by, &name).await }).await
}
