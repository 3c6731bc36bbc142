//! The lock and the policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker_protocol::api::{Health, Lock, Locked, Reloaded, Unlock};
use broker_vault::root_key::Passphrase;

use super::error::Refusal;
use super::extract::{Body, Operator, SecretBody};
use super::to_its_end::to_its_end;
use crate::operations::Operations;

pub(super) async fn lock(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    Body(asked): Body<Lock>,
) -> Json<Locked> {
    let locking = to_its_end(async move {
        if asked.revoke {
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

pub(super) async fn unlock(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(asked): SecretBody<Unlock>,
) -> Result<Json<Health>, Refusal> {
    let passphrase = asked.passphrase.map(Passphrase::new);
    to_its_end(async move { operations.unlock(&by, passphrase).await }).await?;
    Ok(Json(Health {
        status: "unlocked".to_owned(),
        reasons: Vec::new(),
    }))
}

pub(super) async fn reload(
    State(operations): State<Arc<Operations>>,
    _operator: Operator,
) -> Result<Json<Reloaded>, Refusal> {
    let reloading = to_its_end(async move { operations.reload_policies().await });
    Ok(Json(reloading.await?))
}
