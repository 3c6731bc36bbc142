//! The lock and the policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker_protocol::api::{Health, Lock, Locked, Reloaded, Unlock};

use super::error::Refusal;
use super::extract::{Body, Operator, SecretBody};
use super::to_its_end::to_its_end;
use crate::broker::Broker;
use crate::vault::root_key::Passphrase;

pub(super) async fn lock(
    State(broker): State<Arc<Broker>>,
    Operator(by): Operator,
    Body(asked): Body<Lock>,
) -> Json<Locked> {
    let locking = to_its_end(async move {
        if asked.revoke {
            return Some(broker.operations.lock_and_revoke(&by).await);
        }
        broker.operations.lock(&by).await;
        None
    });
    Json(Locked {
        status: "locked".to_owned(),
        revoked: locking.await,
    })
}

pub(super) async fn unlock(
    State(broker): State<Arc<Broker>>,
    Operator(by): Operator,
    SecretBody(asked): SecretBody<Unlock>,
) -> Result<Json<Health>, Refusal> {
    let passphrase = asked.passphrase.map(Passphrase::new);
    to_its_end(async move { broker.operations.unlock(&by, passphrase).await }).await?;
    Ok(Json(Health {
        status: "unlocked".to_owned(),
        reasons: Vec::new(),
    }))
}

pub(super) async fn reload(
    State(broker): State<Arc<Broker>>,
    _operator: Operator,
) -> Result<Json<Reloaded>, Refusal> {
    let reloading = to_its_end(async move { broker.operations.reload_policies().await });
    Ok(Json(reloading.await?))
}
