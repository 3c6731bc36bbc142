//! Decides on GraphQL, whose requests say in their bodies what they do.

use std::fmt::Display;
use std::panic::resume_unwind;
use std::sync::Arc;

use axum::body::Body;
use broker_github::{Method, Principal};
use broker_policy::reach::graphql::{
    Allowed, Asked, Holding, Kind, LONGEST_BODY, NotRead, Refused,
};
use broker_protocol::error::ErrorCode;
use broker_secret_memory::redact;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::task::{JoinError, spawn_blocking};

use super::decide::{scope, whole_body};
use super::{Forwarding, ProxyRequest, Refusal, RequestBody};
use crate::lease::Lease;
use crate::leases::issue::IssueError;
use crate::leases::proxied::Proxied;
use crate::policies::InForce;

/// What a GraphQL request that is allowed does.
pub(super) struct Graphql {
    pub(super) kind: Kind,
    pub(super) holding: Holding,
}

/// The path of GraphQL on the API's host.
pub(super) const PATH: &str = "/graphql";

/// Decides. The body is read; what goes on instead is written from what was evaluated.
pub(super) async fn decide(
    lease: &Arc<Lease>,
    policies: &Arc<InForce>,
    request: &mut ProxyRequest,
    body: &mut Option<RequestBody>,
) -> Result<Graphql, Refusal> {
    if request.method != Method::POST || request.query.is_some() {
        return Err(bad(
            "refused: GraphQL is asked with POST, and says all in its body",
        ));
    }
    let read = whole_body(request, body, LONGEST_BODY).await;
    let read = read.map_err(|_unread| bad(words(&NotRead::TooLong)))?;
    let (lease, policies) = (Arc::clone(lease), Arc::clone(policies));
    // A document within the limits may take some milliseconds.
    let evaluating = spawn_blocking(move || evaluate(&read, &lease, &policies));
    let allowed = match evaluating.await.map_err(JoinError::try_into_panic) {
        Ok(allowed) => allowed?,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_cancelled)) => return Err(IssueError::Stopping.into()),
    };
    let length = allowed.body.len() as u64;
    *body = Some((Body::from(allowed.body), Some(length)));
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(CONTENT_TYPE, json);
    Ok(Graphql {
        kind: allowed.kind,
        holding: allowed.holding,
    })
}

fn evaluate(body: &[u8], lease: &Lease, policies: &InForce) -> Result<Allowed, Refusal> {
    let policy = policies.set.purpose(&lease.purpose);
    let asked = Asked::read(body).map_err(|error| bad(words(&error)))?;
    Ok(asked.allow(&scope(lease, policy))?)
}

impl Forwarding {
    /// Holds what a mutation names to the lease: GitHub knows whose it is, and is asked under the same
    /// lease. Part of the mutation, which is recorded after it.
    pub(super) async fn hold_named(
        self: &Arc<Self>,
        (lease, proxied): (&Arc<Lease>, &Arc<Proxied>),
        principal: Option<&Principal>,
        graphql: &mut Graphql,
    ) -> Result<(), Refusal> {
        let named = std::mem::take(&mut graphql.holding.named);
        if named.is_empty() {
            return Ok(());
        }
        if let Some(fault) = self.journal.fault() {
            return Err(Refusal::not_recorded(&fault));
        }
        let question = named.question();
        let answer = self.ask((lease, proxied), principal, question).await?;
        let policies = self.policies.in_force();
        let policy = policies.set.purpose(&lease.purpose);
        let touches = named.within(&scope(lease, policy), answer.json()?)?;
        graphql.holding.touches.extend(touches);
        Ok(())
    }
}

/// What is on record of a refusal names fields, and holds nothing longer of a document.
fn words(refused: &impl Display) -> String {
    redact::words(&format!("refused: {refused}"), LONGEST_WORDS)
}

const LONGEST_WORDS: usize = 500;

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, why)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let why = words(&refused);
        match refused {
            Refused::Ids => Self {
                status: 502,
                ..Self::new(ErrorCode::UpstreamUnavailable, why)
            },
            _ => Self::new(ErrorCode::TooWide, why),
        }
    }
}
