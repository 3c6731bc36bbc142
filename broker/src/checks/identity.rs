//! Whose a value is, as GitHub says when it is asked with it; and asking further, on schedule at most once a
//! second.

use std::time::Duration;

use broker_github::{
    App, AppKey, Call, Credential, GitHub, GitHubError, NoAppKey, Principal, Reply, ReplyHeaders,
};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_secret_memory::token::AccessToken;

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
    Key(#[from] NoAppKey),
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
        let key = AppKey::read(client_id, value).await?;
        let app = github.app(&key).await?;
        Ok(Self::App { key, app })
    }

    /// Of a token: the login, and the headers with its scopes and its end.
    pub(crate) fn account(&self) -> Option<(&str, &ReplyHeaders)> {
        match self {
            Self::Account { login, headers, .. } => Some((login, headers)),
            Self::App { .. } => None,
        }
    }

    /// Of a key, as the App's settings page shows it.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        match self {
            Self::Account { .. } => None,
            Self::App { key, .. } => Some(key.fingerprint()),
        }
    }
}

/// How fast a check may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A caller waits for it.
    Prompt,
    /// It runs on schedule: at most one request a second.
    Gentle,
}

/// Asks GitHub further about a value that it accepted.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) github: &'a GitHub,
    pub(super) identity: &'a ValueOwner,
    pub(super) pace: Pace,
}

impl Asker<'_> {
    pub(super) async fn get(&self, path: String) -> Result<Reply, GitHubError> {
        if self.pace == Pace::Gentle {
            tokio::time::sleep(BETWEEN_REQUESTS).await;
        }
        let (credential, principal) = match self.identity {
            ValueOwner::Account { token, login, .. } => {
                (Credential::Token(token), Principal::user(login))
            }
            ValueOwner::App { key, .. } => (Credential::App(key), key.principal()),
        };
        let call = Call::get(path, credential).drawing_on(Some(principal));
        self.github.call(call).await
    }
}

/// Between two requests of scheduled checks, whichever secrets they are for.
pub(super) const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);
