//! Sends a request to GitHub, and sends it again where GitHub refused an installation token that it does not know
//! everywhere yet, or that the next one replaced meanwhile.
//!
//! Only what can be sent twice is: a request without a body, or with a short one, which is read whole first. Another
//! waits until GitHub knows a new token. A stored token is never tried twice: GitHub knows it, and wrong credentials
//! lock their user out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body, Bytes};
use broker_github::{
    Call, Credential, Forward, Forwarded, GitHubError, Method, Principal, Reply, Retry,
};
use tokio::sync::OwnedMutexGuard;

use super::outcome::Outcome;
use super::{Forwarding, ProxyRequest, Refusal, RequestBody, graphql};
use crate::lease::Lease;
use crate::leases::proxied::{HeldValue, Proxied};
use crate::minting::KNOWN_EVERYWHERE;

/// A request that is sent on.
pub(super) struct Sending {
    pub(super) request: ProxyRequest,
    pub(super) principal: Option<Principal>,
    pub(super) clone_token: bool,
}

/// The body of a request, as it comes and as far as it was read.
pub(super) struct Upload<'a> {
    outcome: &'a Outcome,
    comes: Option<RequestBody>,
    whole: Option<Bytes>,
}

/// Why a request has no answer.
pub(super) enum Unanswered {
    /// It was not sent, or what was sent of it did nothing.
    Refused(Refusal),
    GitHub(GitHubError),
}

/// How often a request is sent at the most: after waits of 1 s, 2 s, 3 s and 4 s a token is known everywhere.
const MOST_TRIES: u32 = 5;
/// The longest body that is read whole, in bytes: of calls to the API hardly one is longer.
const SHORT: usize = 64 * 1024;
/// How often the clock is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

impl<'a> Upload<'a> {
    pub(super) const fn of(comes: Option<RequestBody>, outcome: &'a Outcome) -> Self {
        Self {
            outcome,
            comes,
            whole: None,
        }
    }

    /// Reads a short body whole.
    async fn read_if_short(&mut self) -> Result<(), Refusal> {
        let is_short = |body: &mut RequestBody| body.1.is_some_and(|length| length <= SHORT as u64);
        let Some((body, _)) = self.comes.take_if(is_short) else {
            return Ok(());
        };
        let read = body::to_bytes(body, SHORT).await;
        self.whole = Some(read.map_err(|error| Refusal::body_not_whole(&error))?);
        Ok(())
    }

    const fn can_be_sent_again(&self) -> bool {
        self.comes.is_none()
    }

    /// The body for one try, counted as it is passed on.
    fn next(&mut self) -> Option<broker_github::RequestBody> {
        let whole = self.whole.clone().map(|whole| {
            let length = whole.len() as u64;
            (Body::from(whole), Some(length))
        });
        let (body, length) = whole.or_else(|| self.comes.take())?;
        Some(self.outcome.counting(body, length))
    }
}

impl Forwarding {
    /// Sends a request with this value, or with the one that took its place.
    ///
    /// # Errors
    ///
    /// [`Unanswered`]
    pub(super) async fn send(
        self: &Arc<Self>,
        of: (&Arc<Lease>, &Arc<Proxied>),
        sending: &Sending,
        value: &mut Option<Arc<HeldValue>>,
        mut body: Upload<'_>,
    ) -> Result<Forwarded, Unanswered> {
        if value.as_ref().is_some_and(|value| value.is_minted()) {
            let read = body.read_if_short().await;
            read.map_err(Unanswered::Refused)?;
        }
        let again = body.can_be_sent_again();
        let (mut first, mut tries) = (None, 0);
        loop {
            tries += 1;
            if let Some(value) = value.as_mut() {
                let turn = self.take_turn(of, value, &mut first, again).await;
                turn.map_err(Unanswered::Refused)?;
            }
            let sent = self.journal.now().boot;
            let answer = self.send_once(sending, value.as_deref(), &mut body).await;
            let (Err(GitHubError::Unauthorized { .. }), Some(refused)) = (&answer, &*value) else {
                // A fault says nothing of the token.
                let accepts = answer.as_ref().is_ok_and(|answer| answer.status < 500);
                if let Some(value) = value.as_ref().filter(|_| accepts) {
                    value.note_accepted();
                }
                return answer.map_err(Unanswered::GitHub);
            };
            let next = self
                .leases
                .again_after_401((of.0, of.1), refused, (tries, sent));
            let (Some(at), true) = (next.await, again && tries < MOST_TRIES) else {
                return answer.map_err(Unanswered::GitHub);
            };
            self.wait_until(at).await;
        }
    }

    /// Waits until what is sent with a new token may be sent, and leaves the value that is in use then: while it
    /// waited, also before this, the store may have been locked, or the token ended or replaced.
    async fn take_turn(
        self: &Arc<Self>,
        (lease, proxied): (&Arc<Lease>, &Arc<Proxied>),
        value: &mut Arc<HeldValue>,
        first: &mut Option<OwnedMutexGuard<()>>,
        again: bool,
    ) -> Result<(), Refusal> {
        while value.is_minted() {
            if !again {
                let now = self.journal.now().boot;
                let left = value.until_age(KNOWN_EVERYWHERE, now);
                self.wait_until(now + left).await;
            } else if first.is_none() {
                *first = self.first_request(value).await;
            }
            let in_use = self.accepted_value(lease, proxied).await?;
            if Arc::ptr_eq(&in_use, value) {
                break;
            }
            *first = None;
            *value = in_use;
        }
        Ok(())
    }

    /// The first request with a new token goes alone: many that GitHub answers with 401 lock all out. It is waited for
    /// no longer than GitHub takes to know the token.
    async fn first_request(&self, value: &HeldValue) -> Option<OwnedMutexGuard<()>> {
        let now = self.journal.now().boot;
        let new_for = value.until_age(KNOWN_EVERYWHERE, now);
        tokio::select! {
            biased;
            () = self.wait_until(now + new_for) => None,
            first = value.first_request() => first,
        }
    }

    /// Asks GitHub by GraphQL what changes nothing, with the value behind a lease.
    ///
    /// # Errors
    ///
    /// [`Refusal`]
    pub(super) async fn ask(
        self: &Arc<Self>,
        (lease, proxied): (&Arc<Lease>, &Arc<Proxied>),
        principal: Option<&Principal>,
        question: serde_json::Value,
    ) -> Result<Reply, Refusal> {
        let mut value = self.accepted_value(lease, proxied).await?;
        let (mut first, mut tries) = (None, 0);
        loop {
            tries += 1;
            self.take_turn((lease, proxied), &mut value, &mut first, true)
                .await?;
            let token = value.token();
            let sent = self.journal.now().boot;
            let answer = self.github.call(Call {
                method: Method::POST,
                path: graphql::PATH.to_owned(),
                credential: Credential::Token(&token),
                principal: self.counted_against(lease, principal.cloned(), &value),
                body: Some(question.clone()),
                retry: Retry::Repeatable,
            });
            match answer.await {
                Ok(answer) => {
                    value.note_accepted();
                    return Ok(answer);
                }
                Err(GitHubError::Unauthorized { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let next = self
                .leases
                .again_after_401((lease, proxied), &value, (tries, sent));
            let Some(at) = next.await.filter(|_| tries < MOST_TRIES) else {
                return Err(self.unauthorized(lease, Some(&value)));
            };
            self.wait_until(at).await;
        }
    }

    /// What the caller is told of a 401. A stored value is checked.
    pub(super) fn unauthorized(
        self: &Arc<Self>,
        lease: &Lease,
        value: Option<&HeldValue>,
    ) -> Refusal {
        match value {
            Some(value) if value.is_minted() => Refusal::token_refused(&lease.secret),
            Some(value) => {
                self.check_refused(lease, value.hashed());
                Refusal::value_refused(&lease.secret)
            }
            None => Refusal::value_refused(&lease.secret),
        }
    }

    async fn send_once(
        &self,
        Sending {
            request,
            principal,
            clone_token,
        }: &Sending,
        value: Option<&HeldValue>,
        body: &mut Upload<'_>,
    ) -> Result<Forwarded, GitHubError> {
        let forward = Forward {
            method: request.method.clone(),
            host: request.host,
            path: &request.path,
            query: request.query.as_deref(),
            headers: &request.headers,
            body: body.next(),
            // Into the `Authorization` header, which is marked sensitive and wiped.
            credential: value.map(HeldValue::token),
            principal: principal.as_ref(),
            clone_token: *clone_token,
        };
        self.github.forward(forward).await
    }

    /// Until this moment of boot time.
    async fn wait_until(&self, at: Duration) {
        loop {
            let left = at.saturating_sub(self.journal.now().boot);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}
