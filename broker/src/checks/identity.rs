//! Whose a value is, as GitHub says when it is asked with it.

use broker_github::app_jwt::KeyError;
use broker_github::{
    App, AppKey, Credential, GitHub, GitHubError, NoAppKey, Principal, ReplyHeaders,
};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_secret_memory::token::AccessToken;
use tokio::task::JoinError;

/// What GitHub says of a value that it accepts.
pub(crate) enum ValueOwner {
    Account {
        /// The token itself, to go on asking with.
        token: AccessToken,
        login: Box<str>,
        /// Its scopes and its end.
        headers: Box<ReplyHeaders>,
    },
    App {
        key: AppKey,
        app: App,
    },
}

/// Why GitHub did not say it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueOwnerError {
    /// It refused the value, or could not be asked.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// The value is no key that could sign. GitHub was not asked.
    #[error(transparent)]
    Key(KeyError),
    /// A thread panicked: a fault of the broker's own.
    #[error("the App's key could not be read")]
    Panicked(JoinError),
}

impl ValueOwner {
    /// Asks GitHub. A token is not asked for while `supposed`, its owner, is limited.
    pub(crate) async fn ask(
        github: &GitHub,
        declared: &SecretDeclaration,
        value: AccessToken,
        supposed: Option<Principal>,
    ) -> Result<Self, ValueOwnerError> {
        if declared.kind != SecretKind::App {
            let (user, headers) = github.user(&value, supposed).await?;
            return Ok(Self::Account {
                token: value,
                login: user.login,
                headers: Box::new(headers),
            });
        }
        let client_id = declared.client_id.as_deref().unwrap_or_default();
        let key = AppKey::read(client_id, value).await;
        let key = key.map_err(|error| match error {
            NoAppKey::Key(error) => ValueOwnerError::Key(error),
            NoAppKey::Broken(panic) => ValueOwnerError::Panicked(panic),
        })?;
        let app = github.app(&key).await?;
        Ok(Self::App { key, app })
    }

    /// The login, or the App's client id; `None` of an App whose server does not say it.
    pub(crate) fn owner(&self) -> Option<&str> {
        match self {
            Self::Account { login, .. } => Some(login),
            Self::App { app, .. } => app.client_id.as_deref(),
        }
    }

    /// Of a key, as the App's settings page shows it.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::Account { .. } => None,
            Self::App { key, .. } => Some(key.fingerprint()),
        }
    }

    /// What a classic token may do, where GitHub says it.
    pub(crate) fn scopes(&self) -> Option<&[String]> {
        match self {
            Self::Account { headers, .. } => headers.scopes.as_deref(),
            Self::App { .. } => None,
        }
    }

    /// The value, to ask GitHub further.
    pub(super) const fn credential(&self) -> Credential<'_> {
        match self {
            Self::Account { token, .. } => Credential::Token(token),
            Self::App { key, .. } => Credential::App(key),
        }
    }

    /// Whose budget of requests that draws on.
    pub(super) fn principal(&self) -> Principal {
        match self {
            Self::Account { login, .. } => Principal::user(login),
            Self::App { key, .. } => key.principal(),
        }
    }
}
