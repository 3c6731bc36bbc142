//! A thin client of GitHub's REST API: one way to ask, and typed reasons why there is no answer.
//!
//! Every request goes through [`GitHub::call`], which decides what all have in common: a credential
//! goes to the configured host and nowhere else, over TLS, and follows no redirect; nothing is asked
//! for a principal that GitHub limits ([`Limits`]); a host that is down is left alone ([`BreakerState`]);
//! what may be repeated is, and what may not is not ([`Retry`]); every answer's headers are taken in.
//! What someone else asked goes through [`GitHub::forward`], under the same limits, once, and as a stream.
//!
//! Beside it is what is known of GitHub's tokens, scopes and answers.
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

mod admission;
mod ask;
mod base;
mod breaker;
mod call;
mod endpoints;
mod error;
mod forward;
mod limits;
mod principal;
mod refusal;
mod reply;
mod retry;
mod waits;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::{Clock, Now};
use broker_https::Https;
use futures_util::future::BoxFuture;

use self::app_key::Skew;
use self::breaker::Breaker;
use self::waits::Waits;

pub use reqwest::Method;

pub use self::app_jwt::AppJwt;
pub use self::app_key::{AppKey, NoAppKey};
pub use self::base::{BaseUrl, NotServed};
pub use self::breaker::BreakerState;
pub use self::call::{Call, Credential, resource_of};
pub use self::endpoints::{App, User};
pub use self::error::{BadAnswer, BodyFault, GitHubError, LimitKind, Outcome, Said, Sso};
pub use self::forward::{AnswerBody, AnswerCut, Forward, Forwarded, Pieces, RequestBody};
pub use self::limits::{BecameLimited, CORE, Limited, Limits};
pub use self::principal::Principal;
pub use self::reply::{Reply, ReplyHeaders};
pub use self::retry::Retry;

/// GitHub, as this broker is configured to reach it.
pub struct GitHub {
    /// Where GitHub is.
    pub base: BaseUrl,
    https: Https,
    /// Connections for what is forwarded: a call never waits behind a download.
    streams: Https,
    waits: Waits,
    breaker: Mutex<Breaker>,
    /// What is known of each principal's budget.
    pub limits: Limits,
    skew: Skew,
    heard: Mutex<Option<Now>>,
    clock: Arc<dyn Clock>,
    sleep: Sleep,
}

/// How a pause is made: the runtime's timer, but in tests.
type Sleep = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

impl GitHub {
    /// `ca` is a file of certificate authorities in PEM, trusted besides the machine's own. Nothing is built,
    /// read or connected until the first call.
    #[must_use]
    pub fn new(api: BaseUrl, ca: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let sleep: Sleep = Box::new(|wait| Box::pin(tokio::time::sleep(wait)));
        Self::assembled(api, ca, clock, sleep, Waits::default())
    }

    fn assembled(
        base: BaseUrl,
        ca: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        sleep: Sleep,
        waits: Waits,
    ) -> Self {
        Self {
            base,
            https: Https::new(ca.clone(), waits.call),
            streams: Https::for_streams(ca),
            waits,
            breaker: Mutex::default(),
            limits: Limits::default(),
            skew: Skew::default(),
            heard: Mutex::default(),
            clock,
            sleep,
        }
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

    /// Closes the connections that are not in use, whose buffers hold the credentials that were sent last.
    pub fn close_idle_connections(&self) {
        self.https.close_idle();
        self.streams.close_idle();
    }

    /// When GitHub last answered, if it was ever asked.
    #[must_use]
    pub fn last_heard(&self) -> Option<Now> {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
