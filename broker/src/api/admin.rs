//! What operators do to the store as a whole: lock and unlock it, change the root key, make a backup; and whether values
//! outside the vault can be read.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use broker_protocol::api::{
    BackUp, CredentialWanted, Health, Lock, Locked, Rekey, Rekeyed, SourcesProbed, Unlock,
};
use broker_vault::RekeyRequest;
use broker_vault::root_key::{NotARootKeySource, Passphrase};

use super::error::Refusal;
use super::extract::{Body, Operator, SecretBody};
use super::to_completion::{completed, to_completion};
use crate::app::App;
use crate::operations::{Operations, RekeyOutcome};
use crate::secrets::Secrets;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/sources/probe", post(probe_sources))
        .route("/v1/lock", post(lock))
        .route("/v1/unlock", post(unlock))
        .route("/v1/rekey", post(rekey))
        .route("/v1/backup", post(back_up))
}

/// Asks every source for its value.
///
/// Files, the keyring and 1Password, and 1Password for what is left of its limits. A cached value that
/// is fresh is not read again, and a source that failed a moment ago is not asked again yet. Each use is
/// recorded before. A source that gives no value is an answer, not an error.
///
/// # Answers
///
/// - 200: they were asked
/// - 503 `LockedOrNotRecorded`
async fn probe_sources(
    State(secrets): State<Arc<Secrets>>,
    Operator(by): Operator,
) -> Result<Json<SourcesProbed>, Refusal> {
    completed(async move { secrets.probe_sources(&by).await }).await
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
/// - 503 `WrongKey`
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

/// Makes a new root key.
///
/// Every data key is put under it, in one transaction; no value is opened, and leases go on meanwhile.
/// The root key may move to another place at the same time. Recorded before and after.
///
/// # Answers
///
/// - 200 [`Rekeyed`]: it is in force
/// - 202 [`CredentialWanted`]: nothing is changed yet: the key is to come from a systemd credential that
///   the broker does not have; ask again once it is there
/// - 409 `RekeyConflict`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn rekey(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(body): SecretBody<Rekey>,
) -> Result<Response, Refusal> {
    let to = body.root_key.map(|source| source.parse()).transpose();
    let to = to.map_err(|error: NotARootKeySource| Refusal::bad_request(error.to_string()))?;
    let request = RekeyRequest {
        to,
        passphrase: body.passphrase.map(Passphrase::new),
        recovery: body.recovery.map(Passphrase::new),
    };
    let done = to_completion(async move { operations.rekey(Some(&by), request).await }).await?;
    Ok(match done {
        RekeyOutcome::Rekeyed(done) => Json(Rekeyed {
            root_key: done.source.as_str().to_owned(),
            version: done.version,
            data_keys: done.data_keys,
            left: done.left,
        })
        .into_response(),
        RekeyOutcome::CredentialWanted(credential) => {
            let steps = steps(&credential);
            let wanted = CredentialWanted { credential, steps };
            (StatusCode::ACCEPTED, Json(wanted)).into_response()
        }
    })
}

/// The commands that an operator runs, as root, so that the next call finds the credential.
fn steps(name: &str) -> Vec<String> {
    vec![
        "install -d -m 0700 /etc/credstore.encrypted".to_owned(),
        format!(
            "openssl rand -hex 32 | systemd-creds encrypt --name={name} - \
             /etc/credstore.encrypted/{name}"
        ),
        format!(
            "systemctl edit tokend.service   # [Service] \
             LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{name}, beside what is there"
        ),
        "systemctl restart tokend.service".to_owned(),
        "tokenctl rekey --root-key credential".to_owned(),
    ]
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
    // Sealed under the passphrase. Its length goes with it, so that a reader notices if it was cut off.
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, bytes).into_response())
}
