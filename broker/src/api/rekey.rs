//! `/v1/rekey`. Operators only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use broker_protocol::api::{CredentialWanted, Rekey, Rekeyed};
use broker_protocol::error::{ErrorCode, Problem};
use broker_vault::RekeyRequest;
use broker_vault::root_key::{NotARootKeySource, Passphrase};

use super::error::Refusal;
use super::extract::{Operator, SecretBody};
use super::to_completion::to_completion;
use crate::app::App;
use crate::operations::{Operations, RekeyOutcome};
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::{Json, Router};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/rekey", post(rekey))
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
/// - 409 `RekeyConflict`, 500 `Internal`, 502 `RootKeyUnavailable`, 503 `LockedOrNotRecorded`
async fn rekey(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    SecretBody(body): SecretBody<Rekey>,
) -> Result<Response, Refusal> {
    let to = body.root_key.map(|source| source.parse()).transpose();
    let to = to.map_err(|error: NotARootKeySource| {
        Refusal::from(Problem::new(ErrorCode::BadRequest, error.to_string()))
    })?;
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
