//! The lock and the policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker_protocol::api::{Health, Reloaded, Unlock};

use super::error::Refusal;
use super::extract::{Body, Operator};
use crate::broker::Broker;
use crate::vault::root_key::Passphrase;

pub(super) async fn lock(
    State(broker): State<Arc<Broker>>,
    Operator(by): Operator,
) -> Json<Health> {
    broker.lock(&by).await;
    Json(Health {
        status: "locked".to_owned(),
        reasons: Vec::new(),
    })
}

pub(super) async fn unlock(
    State(broker): State<Arc<Broker>>,
    Operator(by): Operator,
    Body(asked): Body<Unlock>,
) -> Result<Json<Health>, Refusal> {
    broker
        .unlock(&by, asked.passphrase.map(Passphrase::new))
        .await?;
    Ok(Json(Health {
        status: "unlocked".to_owned(),
        reasons: Vec::new(),
    }))
}

pub(super) async fn reload(
    State(broker): State<Arc<Broker>>,
    _operator: Operator,
) -> Result<Json<Reloaded>, Refusal> {
    Ok(Json(broker.reload_policies().await?))
}
