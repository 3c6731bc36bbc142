//! Passes a caller's request on to GitHub under its lease, with the stored token in place of the caller's, or one that was
//! minted of an App.
//!
//! ```text
//! token ─lease→ Lease ─reach::allow→ Allowed ─record→ seq ─open→ HeldValue ─forward→ answer, and its record
//! ```
//!
//! What GitHub would do with the stored token is decided here instead, for each request: the lease must be
//! live and the caller's own, the request within what it allows, and the budgets not used up. A write is on
//! record before it goes on; a read is recorded with its outcome, which no one waits for unless configuration
//! says so.
//!
//! A value that GitHub refuses (401) is not used again before a check found that GitHub accepts it: wrong
//! credentials lock their user out. Of a new installation token see `again`.
//!
//! git and the rest of the web host are decided on in `web`. What a purpose lets everyone's reads through for goes on
//! without any credential.
//!
//! Not here: bytes and headers (`proxy`, `broker_github`), and what keeps the value (`leases::proxied`).

mod again;
mod budget;
mod decide;
mod graphql;
mod outcome;
mod record;
mod refusal;
mod refused_values;
mod tunnel;
mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use broker_github::{BaseUrl, GitHub, GitHubError, Method, Outcome as Done, Principal};
use broker_policy::reach::GithubHost;
use broker_protocol::api::LeaseView;
use broker_protocol::names::LeaseId;
use broker_protocol::paths::Paths;
use broker_secret_memory::proxy_token;
use broker_secret_memory::token::AccessToken;
use reqwest::header::HeaderMap;

use self::again::{Sending, Unanswered, Upload};
use self::budget::RequestBudgets;
use self::decide::Passage;
use self::outcome::LEASE_OVER;
pub(crate) use self::record::RefusedRequest;
pub(crate) use self::refusal::Refusal;
use self::refused_values::ChecksBegun;
pub(crate) use self::tunnel::Tunnel;
use crate::caller::Peer;
use crate::checks::Checks;
use crate::config::Config;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::leases::Leases;
use crate::leases::proxied::{HeldValue, Proxied};
use crate::limits::Limits;
use crate::policies::Policies;
use crate::secrets::Secrets;

pub(crate) struct Forwarding {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    github: Arc<GitHub>,
    checks: Arc<Checks>,
    limits: Arc<Limits>,
    leases: Arc<Leases>,
    config: Arc<Config>,
    places: Arc<Paths>,
    budgets: RequestBudgets,
    checks_begun: ChecksBegun,
}

/// A caller's request.
pub(crate) struct ProxyRequest {
    pub(crate) peer: Arc<Peer>,
    /// The account of the peer, which is still there.
    pub(crate) uid: u32,
    pub(crate) presented: Presented,
    pub(crate) method: Method,
    /// Which of GitHub's hosts it is for.
    pub(crate) host: GithubHost,
    /// Below the API's base, as it came, without its query.
    pub(crate) path: Box<str>,
    pub(crate) query: Option<Box<str>>,
    /// As they came.
    pub(crate) headers: HeaderMap,
}

/// What a request presents.
pub(crate) enum Presented {
    /// A token.
    Token(AccessToken),
    /// None, in a tunnel of this lease.
    NoToken(LeaseId),
}

/// The body of a caller's request, with its length, where that was said.
pub(crate) type RequestBody = (Body, Option<u64>);

/// GitHub's answer, on its way to the caller.
pub(crate) struct UpstreamAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Forwarding {
    /// Passes requests on to this GitHub.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, github): (Arc<Secrets>, Arc<GitHub>),
        checks: Arc<Checks>,
        (limits, leases): (Arc<Limits>, Arc<Leases>),
        (config, places): (Arc<Config>, Arc<Paths>),
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            github,
            checks,
            limits,
            leases,
            config,
            places,
            budgets: RequestBudgets::default(),
            checks_begun: ChecksBegun::default(),
        }
    }

    /// Where GitHub is.
    pub(crate) fn base(&self) -> &BaseUrl {
        &self.github.base
    }

    /// A lease as the API shows it: with what its principal has left and, of a `proxy` lease, what it was used for.
    pub(crate) fn lease_view(&self, lease: &Lease) -> LeaseView {
        let proxied = self.leases.table.proxied_by(&lease.id);
        let proxy = proxied.map(|proxied| {
            let socket = self.places.proxy_socket.display().to_string();
            let api = self.base().to_string();
            let (_, api) = api.split_once("://").unwrap_or_default();
            proxied.uses.view(socket, format!("http://{api}"))
        });
        LeaseView {
            proxy,
            ..self.limits.lease_view(lease)
        }
    }

    /// Passes one request on.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: it was not passed on, or has no answer; that is on record.
    pub(crate) async fn forward(
        self: &Arc<Self>,
        mut request: ProxyRequest,
        mut body: Option<RequestBody>,
    ) -> Result<UpstreamAnswer, Refusal> {
        let now = self.journal.now();
        let found = match &request.presented {
            Presented::Token(token) => self.leases.proxied(token, now),
            Presented::NoToken(lease) => self.leases.proxied_by(lease),
        };
        let own = |(lease, _): &(Arc<Lease>, _)| lease.caller.uid == request.uid;
        let Some((lease, proxied)) = found.filter(own) else {
            let refusal = match &request.presented {
                Presented::Token(token) if !proxy_token::is_well_formed(token.expose()) => {
                    Refusal::foreign_token()
                }
                _ => Refusal::not_live(),
            };
            return Err(self.refuse(request.described(), None, refusal).await);
        };
        let (passage, principal) = match self
            .decide((&lease, &proxied), &mut request, &mut body)
            .await
        {
            Ok(allowed) => allowed,
            // It is asked for its token, and has done nothing yet.
            Err(refusal) if refusal.status == 401 => return Err(refusal),
            Err(refusal) => {
                proxied.uses.count_refusal(&refusal.why);
                self.count(&lease, "refused");
                return Err(self
                    .refuse(request.described(), Some(&lease), refusal)
                    .await);
            }
        };
        let mut counted = Counted {
            forwarding: self,
            lease: &lease,
            outcome: "failed",
        };
        let answer = self.pass_on((&lease, &proxied), (passage, principal), request, body);
        let answer = answer.await;
        counted.outcome = match answer.as_ref().map(|answer| answer.status) {
            Ok(..400) => "ok",
            Ok(400..500) => "refused_by_github",
            Ok(500..) | Err(_) => "failed",
        };
        answer
    }

    fn count(&self, lease: &Lease, outcome: &'static str) {
        let labels = [
            ("purpose", lease.purpose.to_string()),
            ("outcome", outcome.to_owned()),
        ];
        self.leases.counters.proxied.get_or_create(&labels).inc();
    }

    async fn pass_on(
        self: &Arc<Self>,
        (lease, proxied): (&Arc<Lease>, &Arc<Proxied>),
        (mut passage, principal): (Passage, Option<Principal>),
        request: ProxyRequest,
        body: Option<RequestBody>,
    ) -> Result<UpstreamAnswer, Refusal> {
        self.leases.renew_in_use(lease, proxied).await;
        // Policy may have ended it instead.
        let Some(over) = self.leases.table.until_over(&lease.id) else {
            return Err(self
                .refuse(request.described(), None, Refusal::not_live())
                .await);
        };
        let mut outcome = self.record(lease, &request, &mut passage).await?;
        let value = self.value_for(&passage, lease, proxied).await;
        let mut value = value.inspect_err(|refusal| outcome.failed(refusal))?;
        proxied.uses.requests.fetch_add(1, Ordering::Relaxed);
        outcome.under_way = Some(proxied.begin());
        let sending = Sending {
            request,
            principal: value
                .as_ref()
                .and_then(|value| self.counted_against(lease, principal, value)),
            clone_token: matches!(
                passage,
                Passage::Lease {
                    clone_token: true,
                    ..
                }
            ),
        };
        let answer = self.send(
            (lease, proxied),
            &sending,
            &mut value,
            Upload::of(body, &outcome),
        );
        let mut over = Box::pin(over.over());
        let begun = AtomicBool::new(false);
        let answer = async {
            begun.store(true, Ordering::Relaxed);
            answer.await
        };
        let answer = tokio::select! {
            // First: it may have ended while this was recorded, and then nothing is sent.
            biased;
            () = &mut over => {
                outcome.failed(&LEASE_OVER);
                let over = Refusal::not_live();
                let is_doubtful = begun.load(Ordering::Relaxed) && !outcome.is_read();
                return Err(if is_doubtful { over.in_doubt() } else { over });
            }
            answer = answer => answer,
        };
        match answer {
            Ok(answer) => {
                if (400..500).contains(&answer.status) {
                    let refused = &proxied.uses.refused_by_github;
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                outcome.status = Some(answer.status);
                Ok(UpstreamAnswer {
                    status: answer.status,
                    body: outcome.passing(&answer.headers, answer.body, over),
                    headers: answer.headers,
                })
            }
            Err(Unanswered::Refused(refusal)) => {
                outcome.failed(&refusal);
                Err(refusal)
            }
            Err(Unanswered::GitHub(error)) => {
                outcome.failed(&error);
                if let GitHubError::Unauthorized { .. } = error {
                    outcome.status = Some(401);
                    if let Passage::Public { beyond } = &passage {
                        return Err(Refusal::not_public(beyond));
                    }
                    return Err(self.unauthorized(lease, value.as_deref()));
                }
                let is_doubtful = !outcome.is_read() && error.outcome() != Done::NotDone;
                let refusal = Refusal::from(error);
                if !is_doubtful {
                    return Err(refusal);
                }
                let refusal = refusal.in_doubt();
                outcome.failed(&refusal);
                Err(refusal)
            }
        }
    }

    /// What a request goes on with: nothing, where everyone may make it.
    async fn value_for(
        self: &Arc<Self>,
        passage: &Passage,
        lease: &Arc<Lease>,
        proxied: &Arc<Proxied>,
    ) -> Result<Option<Arc<HeldValue>>, Refusal> {
        if let Passage::Public { .. } = passage {
            self.leases.refuse_while_locked()?;
            return Ok(None);
        }
        self.accepted_value(lease, proxied).await.map(Some)
    }

    /// Whom GitHub counts what is asked with this value against. An installation is known once a token was minted.
    fn counted_against(
        &self,
        lease: &Lease,
        known: Option<Principal>,
        value: &HeldValue,
    ) -> Option<Principal> {
        known.or_else(|| {
            value
                .is_minted()
                .then(|| self.limits.principal_behind(lease))?
        })
    }

    /// The value behind a lease, unless GitHub refused it.
    async fn accepted_value(
        self: &Arc<Self>,
        lease: &Arc<Lease>,
        proxied: &Arc<Proxied>,
    ) -> Result<Arc<HeldValue>, Refusal> {
        let value = self.leases.value_behind(lease, proxied).await?;
        self.refuse_unaccepted(lease, value.hashed())?;
        Ok(value)
    }
}

/// Counts a request that is passed on when this is dropped: also one whose caller does not wait for the answer.
struct Counted<'a> {
    forwarding: &'a Forwarding,
    lease: &'a Lease,
    outcome: &'static str,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.forwarding.count(self.lease, self.outcome);
    }
}
