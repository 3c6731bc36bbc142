//! Endpoints that belong to no one part: who a credential is, and what it has left.

use std::collections::BTreeMap;

use broker_protocol::api::{RateLimit, ResourceLimit};
use broker_secret_memory::token::AccessToken;
use serde::Deserialize;

use super::reply::{epoch, resource_name};
use super::{AppKey, Call, Credential, GitHub, GitHubError, Principal, ReplyHeaders};

/// `GET /user`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The login, as the user writes it.
    pub login: Box<str>,
    /// The number that stays when a login changes.
    pub id: u64,
}

/// `GET /app`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// The number.
    pub id: u64,
    /// The name in URLs.
    pub slug: Option<Box<str>>,
    /// The client id; absent on old Enterprise Servers.
    pub client_id: Option<Box<str>>,
    /// What the App may be given, by name.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
}

impl GitHub {
    /// Whose token this is. The answer's headers tell its scopes and its end.
    ///
    /// `supposed` is whose it should be: not asked for while limited. What is left is learned of whom it
    /// turns out to be.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; an installation token is refused with 403.
    pub async fn user(
        &self,
        token: &AccessToken,
        supposed: Option<Principal>,
    ) -> Result<(User, ReplyHeaders), GitHubError> {
        let call = Call::get("/user", Credential::Token(token)).drawing_on(supposed);
        let reply = self.ask(call).await?;
        let user: User = reply.json()?;
        let principal = Principal::user(&user.login);
        self.limits
            .learn(&principal, &reply.headers, self.clock.now());
        Ok((user, reply.headers))
    }

    /// Which App this is.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; a JWT that GitHub cannot verify is refused with 401.
    pub async fn app(&self, key: &AppKey) -> Result<App, GitHubError> {
        let call = Call::get("/app", Credential::App(key)).drawing_on(Some(key.principal()));
        self.call(call).await?.json()
    }

    /// Asks what the principal has left of everything, for [`Self::limits`]. Free of the primary limit.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; 404 on an Enterprise Server whose limits are off.
    pub async fn rate_limit(
        &self,
        credential: Credential<'_>,
        principal: &Principal,
    ) -> Result<(), GitHubError> {
        let call = Call::get("/rate_limit", credential).drawing_on(Some(principal.clone()));
        let reply = self.call(call).await?;
        let body: RateLimitBody = reply.json()?;
        for (name, window) in body.resources {
            let (Some(resource), Some(reset_at)) = (resource_name(&name), epoch(window.reset))
            else {
                continue;
            };
            let rate = RateLimit {
                limit: window.limit,
                remaining: window.remaining,
                reset_at,
            };
            let (limit, date) = (ResourceLimit { resource, rate }, reply.headers.date);
            let now = self.clock.now();
            self.limits.learn_rate(principal, limit, date, now);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RateLimitBody {
    resources: BTreeMap<String, WindowBody>,
}

#[derive(Deserialize)]
struct WindowBody {
    limit: u64,
    remaining: u64,
    reset: u64,
}
