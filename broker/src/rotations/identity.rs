//! Whose a value is, by asking GitHub with it.

use broker_github::{AppKey, GitHubError, NoAppKey, Principal, ReplyHeaders};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_secret_memory::token::AccessToken;

use super::RotationError;
use crate::rotations::Rotations;
use crate::secrets::UpkeepError;

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

impl Rotations {
    /// Asks GitHub who this value is.
    pub(super) async fn identify(
        &self,
        declared: &SecretDeclaration,
        value: AccessToken,
    ) -> Result<Asked, RotationError> {
        let asked = match declared.kind {
            SecretKind::App => self.identify_app(declared, value).await?,
            SecretKind::Classic | SecretKind::FineGrained => {
                let owner = declared.owner.as_deref().map(Principal::user);
                let asked = self.github.user(&value, owner).await;
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
        let client_id = declared.client_id.as_deref().unwrap_or_default();
        let key = AppKey::read(client_id, pem)
            .await
            .map_err(|error| match error {
                NoAppKey::Key(source) => RotationError::Key {
                    name: declared.name.clone(),
                    source,
                },
                NoAppKey::Broken(panic) => UpkeepError::Broken("the App's key", panic).into(),
            })?;
        let app = self.github.app(&key).await;
        Ok(app.map(|app| Identity {
            // Old Enterprise Servers do not say it; the JWT's issuer was taken, then.
            whose: app.client_id.unwrap_or_else(|| client_id.into()),
            headers: ReplyHeaders::default(),
            fingerprint: Some(key.fingerprint().into()),
        }))
    }
}
