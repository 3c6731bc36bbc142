//! A thin client of GitHub's REST API: one way to ask, and typed reasons why there is no answer.
//!
//! Every request goes through [`GitHub::call`], which decides what all have in common: a credential
//! goes to the configured host and nowhere else, over TLS, and follows no redirect; nothing is asked
//! for a principal that GitHub limits ([`Limits`]); a host that is down is left alone ([`Breaker`]);
//! what may be repeated is, and what may not is not ([`Retry`]); every answer's headers are taken in.
//!
//! Beside it lies what is known of GitHub's tokens, scopes and answers.
//!
//! Not here: what an answer means for a secret or a lease; whose value is used for a call and whether
//! that is recorded. Composition (`checks`, `minting`, `rotations`) sees to both. Nothing is built or read
//! before the first call.

pub mod accepted;
pub mod app_jwt;
mod app_key;
pub mod expiry;
pub mod installation;
pub mod links;
pub mod scopes;
pub mod sealed_box;
pub mod secrets;
pub mod token_kind;

mod base;
mod breaker;
mod endpoints;
mod error;
mod limits;
mod principal;
mod refusal;
mod reply;
mod retry;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::{Clock, Now};
use broker_secret_memory::token::AccessToken;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use zeroize::Zeroizing;

use self::app_key::Skew;
use self::breaker::{Pass, Told};
use self::refusal::Refusal;
use self::wire::{Answer, Sent, Wire};

pub use reqwest::Method;

pub use self::app_jwt::AppJwt;
pub use self::app_key::{AppKey, NoAppKey};
pub use self::base::{BadBaseUrl, BaseUrl};
pub use self::breaker::{Breaker, BreakerState};
pub use self::endpoints::{App, Rates, User};
pub use self::error::{
    BadAnswer, FieldError, GitHubError, LimitKind, Outcome, Said, Sso, Unreachable,
};
pub use self::limits::{BecameLimited, CORE, Limited, Limits, PrincipalView};
pub use self::principal::Principal;
pub use self::reply::{Rate, Reply, ReplyHeaders};
pub use self::retry::Retry;

/// Where GitHub is and whom to believe that it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The API.
    pub api: BaseUrl,
    /// A file of certificate authorities in PEM, trusted besides the machine's own.
    pub ca: Option<PathBuf>,
}

/// What a call authenticates with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A personal access token or an installation token.
    Token(&'a AccessToken),
    /// An App, for itself: with a JWT that is signed for this call.
    App(&'a AppKey),
    /// Nothing.
    None,
}

/// One request.
pub struct Call<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Below the base URL, such as `/user`: encoded already, its query included.
    pub path: String,
    /// What it authenticates with.
    pub credential: Credential<'a>,
    /// Whose budget it draws on; `None` if that is not known yet.
    pub principal: Option<Principal>,
    /// A JSON body. Text in it is wiped once it is sent.
    pub body: Option<serde_json::Value>,
    /// Whether it may be sent twice.
    pub retry: Retry,
}

impl<'a> Call<'a> {
    /// A GET, which may always be repeated.
    #[must_use]
    pub fn get(path: impl Into<String>, credential: Credential<'a>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            credential,
            principal: None,
            body: None,
            retry: Retry::Repeatable,
        }
    }

    /// The same, with the principal it draws on.
    #[must_use]
    pub fn drawing_on(mut self, principal: Option<Principal>) -> Self {
        self.principal = principal;
        self
    }
}

/// GitHub, as this broker is configured to reach it.
pub struct GitHub {
    base: BaseUrl,
    wire: Wire,
    breaker: Mutex<Breaker>,
    limits: Limits,
    skew: Skew,
    heard: Mutex<Option<Now>>,
    clock: Arc<dyn Clock>,
    sleep: Sleep,
}

/// How a pause is made: the runtime's timer, but in tests.
type Sleep = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

impl GitHub {
    /// Nothing is built, read or connected until the first call.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let sleep: Sleep = Box::new(|wait| Box::pin(tokio::time::sleep(wait)));
        Self::assembled(settings, clock, sleep, wire::TOTAL)
    }

    fn assembled(settings: Settings, clock: Arc<dyn Clock>, sleep: Sleep, total: Duration) -> Self {
        Self {
            base: settings.api,
            wire: Wire::new(settings.ca, total),
            breaker: Mutex::default(),
            limits: Limits::default(),
            skew: Skew::default(),
            heard: Mutex::default(),
            clock,
            sleep,
        }
    }

    /// Asks, up to three times where that is right.
    ///
    /// A principal that is limited and a host that is down are not asked at all. The answer's headers
    /// have been taken into [`Self::limits`] if the call names its principal.
    ///
    /// # Errors
    ///
    /// [`GitHubError`] for everything but 2xx and 304.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        let principal = call.principal.clone();
        let reply = self.ask(call).await?;
        if let Some(principal) = &principal {
            self.limits
                .learn(principal, &reply.headers, self.clock.now());
        }
        Ok(reply)
    }

    /// The same, where it turns out in the end whose budget was drawn on.
    async fn ask(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        let Call {
            method,
            path,
            credential,
            principal,
            body,
            retry,
        } = call;
        let url = self.base.join(&path).ok_or_else(|| {
            GitHubError::CannotAsk("the request does not stay below the API's base URL".into())
        })?;
        let mut headers = wire::headers(&self.base, credential.expose())?;
        if let Credential::App(app) = credential {
            headers.insert(AUTHORIZATION, self.authorization(app).await?);
        }
        let body = body
            .map(|value| wire::json_body(&mut headers, value))
            .transpose()?;
        let mut sent = Sent {
            method,
            url,
            headers,
            body,
        };
        let began = self.clock.now().boot;
        let mut made = 0;
        let mut doubt = None;
        let mut clock_was_set = false;
        loop {
            let tried = match self.refuse_limited(principal.as_ref(), &path) {
                Ok(()) => self.attempt(&sent, principal.as_ref()).await,
                Err(error) => Err(error),
            };
            made += 1;
            let error = match tried {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if let Credential::App(app) = credential
                && !clock_was_set
                && self.skew.learn(&error, self.clock.now().wall)
            {
                clock_was_set = true;
                sent.headers
                    .insert(AUTHORIZATION, self.authorization(app).await?);
                continue;
            }
            let route = path.split('?').next().unwrap_or_default();
            let cause = error.for_operators();
            tracing::debug!(method = %sent.method, route, attempt = made, "{cause}");
            let since = self.clock.now().boot.saturating_sub(began);
            let wait = retry::pause(retry, &error, made, since, jitter());
            // An attempt that did not get through takes nothing back of one that may have.
            let error = match doubt.take() {
                Some(earlier) if error.never_got_through() => earlier,
                _ => error,
            };
            let Some(wait) = wait else {
                return Err(error);
            };
            if error.outcome() != Outcome::NotDone {
                doubt = Some(error);
            }
            (self.sleep)(wait).await;
        }
    }

    /// Signed for GitHub's clock.
    async fn authorization(&self, app: &AppKey) -> Result<HeaderValue, GitHubError> {
        let now = self.skew.at_github(self.clock.now().wall);
        let jwt = app.jwt(now).await;
        let jwt = jwt.map_err(|error| GitHubError::CannotAsk(error.to_string().into()))?;
        // Into the `Authorization` header, which is marked sensitive and wiped.
        wire::authorization(jwt.expose())
    }

    /// What is known of everybody's budget.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where GitHub is.
    #[must_use]
    pub const fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The circuit breaker's state.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.breaker().state()
    }

    /// How long GitHub is left alone still, after failures in a row: a call would not go out. `None`
    /// if one would. In whole seconds rounded up.
    #[must_use]
    pub fn left_alone(&self) -> Option<Duration> {
        let wait = self.breaker().refuses_for(self.clock.now().boot)?;
        Some(limits::whole_seconds(wait))
    }

    /// When GitHub last answered, if it was ever asked.
    #[must_use]
    pub fn last_heard(&self) -> Option<Now> {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A principal that GitHub limits is not asked for.
    fn refuse_limited(&self, principal: Option<&Principal>, path: &str) -> Result<(), GitHubError> {
        let Some(principal) = principal else {
            return Ok(());
        };
        let now = self.clock.now();
        let limited = match resource_of(path) {
            Some(resource) => self.limits.limited(principal, resource, now),
            None => self.limits.held_off(principal, now),
        };
        limited.map_or(Ok(()), |limit| {
            Err(GitHubError::Limited {
                kind: limit.kind,
                principal: Some(principal.clone()),
                retry_after: limit.retry_after,
            })
        })
    }

    async fn attempt(
        &self,
        sent: &Sent,
        principal: Option<&Principal>,
    ) -> Result<Reply, GitHubError> {
        let mut account = self.admit()?;
        let answer = self.wire.exchange(sent, &self.base).await;
        let now = self.clock.now();
        let evaluated = answer.and_then(|answer| self.evaluate(answer, principal, now));
        account.told = match &evaluated {
            Err(GitHubError::CannotAsk(_)) => Told::Nothing,
            Err(error) if error.is_hosts_fault() => Told::Failed,
            _ => Told::Reached,
        };
        if account.told == Told::Reached {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
        evaluated
    }

    fn evaluate(
        &self,
        answer: Answer,
        principal: Option<&Principal>,
        now: Now,
    ) -> Result<Reply, GitHubError> {
        let Answer {
            status,
            headers,
            location,
            body,
        } = answer;
        match status {
            200..=299 | 304 => Ok(Reply {
                status,
                headers,
                body: body.map_err(|what| GitHubError::BadAnswer { status, what })?,
            }),
            300..=399 => {
                let to = location;
                if let Some(principal) = principal {
                    self.limits.learn(principal, &headers, now);
                }
                Err(GitHubError::Moved { status, to })
            }
            _ => {
                // A refusal is one whether or not its words arrived.
                let body = body.unwrap_or_else(|_cut| Zeroizing::default());
                let refusal = refusal::read(status, &headers, &body);
                Err(self.refused(refusal, &headers, principal, now))
            }
        }
    }

    fn refused(
        &self,
        refusal: Refusal,
        headers: &ReplyHeaders,
        principal: Option<&Principal>,
        now: Now,
    ) -> GitHubError {
        match refusal {
            Refusal::Error(error) => {
                // A 401 counts against the address, not against whom the credential was of.
                if let Some(principal) = principal
                    && !matches!(error, GitHubError::Unauthorized { .. })
                {
                    self.limits.learn(principal, headers, now);
                }
                error
            }
            Refusal::Limited { kind } => {
                // Of nobody in particular: the wait is worked out all the same, and not remembered.
                let nobody = Limits::default();
                let limits = if principal.is_some() {
                    &self.limits
                } else {
                    &nobody
                };
                let whose = principal.unwrap_or(&Principal::Anonymous);
                GitHubError::Limited {
                    kind,
                    principal: principal.cloned(),
                    retry_after: limits.refused(whose, kind, headers, now),
                }
            }
        }
    }

    fn admit(&self) -> Result<Account<'_>, GitHubError> {
        let pass = self
            .breaker()
            .admit(self.clock.now().boot)
            .map_err(|wait| GitHubError::NotTried {
                retry_after: limits::whole_seconds(wait),
            })?;
        Ok(Account {
            github: self,
            pass,
            told: Told::Nothing,
        })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accounts for an admitted call however it ends, also if whoever made it gives up.
struct Account<'a> {
    github: &'a GitHub,
    pass: Pass,
    told: Told,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let now = self.github.clock.now().boot;
        self.github.breaker().account(self.pass, self.told, now);
    }
}

impl<'a> Credential<'a> {
    fn expose(&self) -> Option<&'a str> {
        match self {
            // Into the `Authorization` header, which is marked sensitive and wiped.
            Self::Token(token) => Some(token.expose()),
            Self::App(_) | Self::None => None,
        }
    }
}

/// Which resource's window a path draws on; `None` for `/rate_limit`, which is free, and for the end of
/// a token, which is worth the try when nothing is left.
///
/// Source: GitHub REST documentation, “Rate limit”.
fn resource_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    match path {
        "/rate_limit" | installation::TOKEN => None,
        "/graphql" => Some("graphql"),
        "/search/code" => Some("code_search"),
        _ if path.starts_with("/search/") => Some("search"),
        _ => Some(CORE),
    }
}

/// Anything will do: see [`retry::pause`].
fn jitter() -> u8 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => u8::from_ne_bytes(byte),
        Err(_none) => 0,
    }
}

#[cfg(test)]
mod tests;
