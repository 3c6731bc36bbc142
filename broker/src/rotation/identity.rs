//! Whose a value is, by asking GitHub with it.

use std::sync::Arc;

use broker_protocol::names::SecretName;
use jiff::{SignedDuration, Timestamp};

use super::RotationError;
use crate::broker::Broker;
use crate::github::app_jwt::{KeyError, PemSigner, Signer};
use crate::github::{AppJwt, GitHubError, Principal, ReplyHeaders};
use crate::policy::{SecretDeclaration, SecretKind};
use crate::token::AccessToken;
use crate::upkeep::UpkeepError;

/// What GitHub says of a value that it takes.
pub(super) struct Identity {
    /// The login, or an App's client id.
    pub(super) whose: Box<str>,
    /// For a token: its scopes and its end.
    pub(super) headers: ReplyHeaders,
    /// For an App's key: as the settings page shows it.
    pub(super) fingerprint: Option<Box<str>>,
}

/// What came of asking.
pub(super) enum Asked {
    /// GitHub takes the value.
    Alive(Box<Identity>),
    /// GitHub refuses it with 401.
    Dead,
}

impl Broker {
    /// Asks GitHub who this value is.
    pub(super) async fn identify(
        &self,
        declared: &SecretDeclaration,
        value: AccessToken,
    ) -> Result<Asked, RotationError> {
        let asked = match declared.kind {
            SecretKind::App => self.identify_app(declared, value).await?,
            SecretKind::Classic | SecretKind::FineGrained => {
                let asked = self.github.user(&value).await;
                asked.map(|(user, headers)| Identity {
                    whose: user.login,
                    headers,
                    fingerprint: None,
                })
            }
        };
        match asked {
            Ok(identity) => Ok(Asked::Alive(Box::new(identity))),
            Err(GitHubError::Unauthorized { .. }) => Ok(Asked::Dead),
            Err(source) => Err(RotationError::GitHub {
                doing: "asking GitHub whose the value is",
                source,
            }),
        }
    }

    async fn identify_app(
        &self,
        declared: &SecretDeclaration,
        pem: AccessToken,
    ) -> Result<Result<Identity, GitHubError>, RotationError> {
        let name = &declared.name;
        let client_id: Box<str> = declared.client_id.clone().unwrap_or_default();
        let signer = blocking(name, move || PemSigner::read(&pem)).await?;
        let signer: Arc<dyn Signer> = Arc::new(signer);
        let principal = Principal::App(client_id.clone());
        let mut now = self.now().wall;
        let mut clock_was_set = false;
        loop {
            let (signing, issuer) = (Arc::clone(&signer), client_id.clone());
            let jwt = blocking(name, move || AppJwt::sign(&*signing, &issuer, now)).await?;
            match self.github.app(&jwt, principal.clone()).await {
                Ok(app) => {
                    // Old Enterprise Servers do not say it; the JWT's issuer was taken, then.
                    return Ok(Ok(Identity {
                        whose: app.client_id.unwrap_or(client_id),
                        headers: ReplyHeaders::default(),
                        fingerprint: Some(signer.fingerprint().into()),
                    }));
                }
                Err(GitHubError::Unauthorized {
                    date: Some(date), ..
                }) if !clock_was_set && differ(date, now) => {
                    clock_was_set = true;
                    now = date;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

/// Whether two clocks differ by more than a JWT's dates forgive.
fn differ(date: Timestamp, now: Timestamp) -> bool {
    date.duration_since(now).abs() > SignedDuration::from_secs(30)
}

/// Keys are read and used away from the thread that serves: each takes a millisecond.
async fn blocking<T: Send + 'static>(
    name: &SecretName,
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, RotationError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|panic| UpkeepError::Broken("the App's key", panic))?;
    done.map_err(|source| RotationError::Key {
        name: name.clone(),
        source,
    })
}
