//! Decides on a request: the lease, the policy in force, the budgets, and what GitHub's limits leave.

use std::sync::Arc;

use axum::body::{self, Bytes};
use broker_github::{Principal, resource_of};
use broker_policy::PurposePolicy;
use broker_policy::reach::{self, GithubHost, Scope};
use reqwest::header::CONTENT_ENCODING;

use super::graphql::{self, Graphql};
use super::{Forwarding, Presented, ProxyRequest, Refusal, RequestBody, web};
use crate::lease::Lease;
use crate::leases::proxied::Proxied;

/// How a request that is allowed goes on.
pub(super) enum Passage {
    /// With the stored value.
    Lease {
        /// Whether the answer may hold `temp_clone_token`.
        clone_token: bool,
        /// What it does, if it is GraphQL.
        graphql: Option<Graphql>,
    },
    /// Without any credential, since the purpose is `public`: this is what the lease does not hold.
    Public { beyond: String },
}

impl Passage {
    pub(super) const fn of_lease() -> Self {
        Self::Lease {
            clone_token: false,
            graphql: None,
        }
    }
}

impl Forwarding {
    /// Whether the lease, the policy in force and the budgets allow the request, and whom GitHub counts it against.
    pub(super) async fn decide(
        self: &Arc<Self>,
        (lease, proxied): (&Arc<Lease>, &Arc<Proxied>),
        request: &mut ProxyRequest,
        body: &mut Option<RequestBody>,
    ) -> Result<(Passage, Option<Principal>), Refusal> {
        self.leases.refuse_while_locked()?;
        let policies = self.policies.in_force();
        let policy = policies.set.purpose(&lease.purpose);
        let scope = scope(lease, policy);
        let passage = if request.host == GithubHost::Web {
            let public = policy.is_some_and(|policy| policy.public);
            web::decide(&scope, public, request, body).await
        } else if request.host == GithubHost::Api && *request.path == *graphql::PATH {
            let decided = graphql::decide(lease, &policies, request, body).await;
            decided.map(|graphql| Passage::Lease {
                clone_token: false,
                graphql: Some(graphql),
            })
        } else {
            let method = request.method.as_str();
            let allowed = reach::allow(&scope, request.host, method, &request.path);
            let allowed = allowed.map(|allowed| Passage::Lease {
                clone_token: allowed.clone_token,
                graphql: None,
            });
            allowed.map_err(Refusal::from)
        };
        let mut passage = match (&request.presented, passage) {
            (Presented::Token(_), passage) => passage?,
            (Presented::NoToken(_), Ok(passage @ Passage::Public { .. })) => passage,
            (Presented::NoToken(_), _) => return Err(Refusal::foreign_token()),
        };
        if let Some(budget) = policy.and_then(|policy| policy.budget) {
            let account = lease.caller.account();
            let whose = (lease.purpose.clone(), account);
            self.budgets.spend(whose, budget, self.journal.now())?;
        }
        let Passage::Lease { .. } = passage else {
            return Ok((passage, None));
        };
        let principal = self.limits.principal_behind(lease);
        // git draws on no window of the API's.
        let is_api = request.host != GithubHost::Web;
        let resource = is_api.then(|| resource_of(&request.path)).flatten();
        self.limits.refuse_request(principal.as_ref(), resource)?;
        if let Some(value) = self.leases.hash_in_use(lease)? {
            self.refuse_unaccepted(lease, &value)?;
        }
        if let Passage::Lease {
            graphql: Some(graphql),
            ..
        } = &mut passage
        {
            // It is asked under the lease, and no longer than that lasts.
            let over = self.leases.table.until_over(&lease.id);
            let over = over.ok_or_else(Refusal::not_live)?;
            let _under_way = proxied.begin();
            let held = self.hold_named((lease, proxied), principal.as_ref(), graphql);
            tokio::select! {
                biased;
                () = over.over() => return Err(Refusal::not_live()),
                held = held => held?,
            }
        }
        Ok((passage, principal))
    }
}

/// What of GitHub a lease holds, under the policy of its purpose.
pub(super) fn scope<'a>(lease: &'a Lease, policy: Option<&'a PurposePolicy>) -> Scope<'a> {
    Scope {
        repositories: &lease.repositories,
        organization: lease.organization.as_ref(),
        permissions: &lease.permissions,
        paths: policy.map_or(&[], PurposePolicy::paths),
    }
}

/// Why a body is not read whole.
pub(super) enum Unread {
    /// There is none, or it is compressed.
    Unreadable,
    /// It is longer, or was cut off.
    TooLongOrCut,
}

/// The whole of a body that is decided on, of at most so many bytes.
pub(super) async fn whole_body(
    request: &ProxyRequest,
    body: &mut Option<RequestBody>,
    most: usize,
) -> Result<Bytes, Unread> {
    if request.headers.contains_key(CONTENT_ENCODING) {
        return Err(Unread::Unreadable);
    }
    let (sent, _) = body.take().ok_or(Unread::Unreadable)?;
    let read = body::to_bytes(sent, most).await;
    read.map_err(|_too_long_or_cut| Unread::TooLongOrCut)
}
