//! The lock and the policies.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker_protocol::api::{Health, Lock, Locked, Reloaded, Unlock};
use broker_vault::root_key::Passphrase;

use super::error::Refusal;
use super::extract::{Body, Operator, SecretBody};
use super::to_completion::to_completion;
use crate::app::App;
use crate::operations::Operations;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/lock", post(lock))
        .route("/v1/unlock", post(unlock))
        .route("/v1/policies/reload", post(reload_policies))
}

/// Locks the store.
///
/// Forgets the root key. It takes effect even if the audit log cannot be written. Live leases keep their
/// end, unless `revoke` says otherwise: then nothing is granted from that moment, every live lease of
/// every account is revoked, and so is every installation token at GitHub, whose answers are awaited for
/// up to eight seconds after the lock.
///
/// # Answers
///
/// - 200: it is locked
async fn lock(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    Body(body): Body<Lock>,
) -> Json<Locked> {
    let locking = to_completion(async move {
        if body.revoke {
            return Some(operations.lock_and_revoke(&by).await);
        }
        operations.lock(&by).await;
        None
    });
    Json(Locked {
        status: "locked".to_owned(),
        revoked: locking.await,
    })
}

/// Unlocks the store.
///
/// If the store is not locked, nothing is read.
///
/// # Answers
///
/// - 200: it is unlocked
/// - 502 `RootKeyUnavailable`, 503 `WrongKey`
async fn unlock(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(body): SecretBody<Unlock>,
) -> Result<Json<Health>, Refusal> {
    let passphrase = body.passphrase.map(Passphrase::new);
    to_completion(async move { operations.unlock(&by, passphrase).await }).await?;
    Ok(Json(Health {
        status: "unlocked".to_owned(),
        reasons: Vec::new(),
    }))
}

/// Loads the policies again.
///
/// All files or none. Live leases are evaluated by the new set.
///
/// # Answers
///
/// - 200: they are in force
/// - 400 `PoliciesRefused`, 503 `NotRecorded`
async fn reload_policies(
    State(operations): State<Arc<Operations>>,
    _operator: Operator,
) -> Result<Json<Reloaded>, Refusal> {
    let reloading = to_completion(async move { operations.reload_policies().await });
    Ok(Json(reloading.await?))
}
