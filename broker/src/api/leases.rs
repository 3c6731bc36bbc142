//! `/v1/leases`: take, list, show, renew, revoke.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use broker_policy::{Caller, Request};
use broker_protocol::api::{
    LeaseAnswer, LeaseList, LeaseRequest, LeaseView, RenewRequest, RevokeOptions, Revoked,
    TunnelView, Until,
};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::LeaseId;
use broker_protocol::wiped::WipedBytes;
use broker_secret_memory::redact;

use super::error::Refusal;
use super::extract::{Asking, Body, Named, Query};
use super::page::{After, Listed, page};
use super::to_completion::to_completion;
use crate::app::App;
use crate::caller::Peer;
use crate::config::Config;
use crate::forwarding::Forwarding;
use crate::lease::{Lease, ListPosition};
use crate::leases::Leases;
use crate::leases::issue::{IssueError, Issued, LeaseOptions};
use crate::policies::parse_ttl;

/// Room for most answers with a token, in bytes: one that does not move need not be wiped twice.
const ANSWER: usize = 768;
/// The longest `reason`, in characters.
const MAX_REASON: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/leases", get(list_leases).post(take_lease))
        .route("/v1/leases/{id}", get(show_lease).delete(revoke_lease))
        .route("/v1/leases/{id}/renew", post(renew_lease))
        .route("/v1/leases/{id}/tunnel", post(make_tunnel))
}

/// Takes a lease.
///
/// Policy decides on the caller as the kernel describes it. Before this answers, the decision is in the
/// audit log and on disk.
///
/// # Answers
///
/// - 201 [`LeaseAnswer`]: the lease and its token
/// - 403 `LeaseRefused`, 409 `SecretNotUsable`, 429 `RateLimited`, 500 `Internal`,
///   502 `SourceUnavailable`, 503 `LockedOrNotRecorded`
async fn take_lease(
    State(leases): State<Arc<Leases>>,
    State(forwarding): State<Arc<Forwarding>>,
    Extension(peer): Extension<Arc<Peer>>,
    Asking(caller): Asking,
    Body(body): Body<LeaseRequest>,
) -> Result<Response, Refusal> {
    let (request, options) = parse(caller, body)?;
    // Before anything is granted: a lease that ends with its caller needs a watch on it.
    let watch = options.until_exit.then(|| peer.exit_watch()).transpose();
    let watch = watch.map_err(IssueError::CannotWatch)?;
    let issued = to_completion(async move {
        let issued = leases.issue(request, options).await?;
        if let Some(watch) = watch {
            leases.end_with_caller(watch, issued.lease.id.clone());
        }
        Ok::<Issued, IssueError>(issued)
    });
    let issued = issued.await?;
    let view = forwarding.lease_view(&issued.lease);
    answer(&issued, view)
}

fn parse(caller: Arc<Caller>, body: LeaseRequest) -> Result<(Request, LeaseOptions), Refusal> {
    if let Some(reason) = &body.reason {
        if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
            return Err(Refusal::bad_request(
                "`reason` is at most 200 characters long and has no control characters",
            ));
        }
        if redact::looks_like_token(reason) {
            return Err(Refusal::bad_request(
                "`reason` holds what looks like a token; reasons are recorded",
            ));
        }
    }
    let ttl = parse_ttl(body.ttl)?;
    let options = LeaseOptions {
        reason: body.reason.map(String::into_boxed_str),
        until_exit: body.until == Some(Until::CallerExit),
        fresh: body.fresh,
    };
    let request = Request {
        caller,
        purpose: body.purpose,
        repositories: body.repositories,
        organization: body.organization,
        permissions: body.permissions,
        ttl,
    };
    Ok((request, options))
}

/// Writes the answer by hand, so that the only copy of the token besides the sealed one is in the
/// buffer that goes to the socket.
fn answer(issued: &Issued, lease: LeaseView) -> Result<Response, Refusal> {
    let answer = LeaseAnswer {
        // The token goes into the answer.
        token: issued.token.expose().into(),
        lease,
    };
    let mut text = WipedBytes::with_capacity(ANSWER);
    serde_json::to_writer(&mut text, &answer).map_err(IssueError::Record)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::CREATED, headers, Bytes::from_owner(text)).into_response())
}

/// Lists live leases.
///
/// The caller's own account's; all accounts' for an operator.
///
/// # Answers
///
/// - 200: live leases, oldest first
async fn list_leases(
    State(leases): State<Arc<Leases>>,
    State(forwarding): State<Arc<Forwarding>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
    After(after): After,
) -> Result<Listed<LeaseList>, Refusal> {
    let account = (!config.is_operator(&caller)).then_some(caller.uid);
    let bad = || Refusal::bad_request("`after` must be the `next` of the previous page, unchanged");
    let after = after.map(|after| ListPosition::parse(&after).ok_or_else(bad));
    let after = after.transpose()?;
    let leases = leases.list(account);
    let places = leases.iter().map(|lease| (lease.position(), lease));
    let rest = places.filter(|(place, _)| after.as_ref().is_none_or(|after| place > after));
    page(
        "leases",
        rest.map(|(place, lease)| (place.to_string(), forwarding.lease_view(lease))),
    )
}

/// Shows a live lease.
///
/// # Answers
///
/// - 200: the lease
/// - 404 `UnknownLease`
async fn show_lease(
    State(leases): State<Arc<Leases>>,
    State(forwarding): State<Arc<Forwarding>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
    Named(id): Named<LeaseId>,
) -> Result<Json<LeaseView>, Refusal> {
    let lease = visible_lease(&leases, &config, &caller, &id)?;
    Ok(Json(forwarding.lease_view(&lease)))
}

/// Revokes a lease.
///
/// By its own account, or by an operator. It takes effect at once, even if the audit log cannot be
/// written. Revoking a `raw` lease is bookkeeping: the answer says so. An installation token is revoked
/// at GitHub with the last lease that holds it.
///
/// # Answers
///
/// - 200: it is revoked
/// - 404 `UnknownLease`
async fn revoke_lease(
    State(leases): State<Arc<Leases>>,
    State(config): State<Arc<Config>>,
    Asking(caller): Asking,
    Named(id): Named<LeaseId>,
    Query(options): Query<RevokeOptions>,
) -> Result<Json<Revoked>, Refusal> {
    let lease = visible_lease(&leases, &config, &caller, &id)?;
    let at_once = options.at_once || lease.caller.uid != caller.uid;
    let revoking = to_completion({
        let id = id.clone();
        async move { leases.revoke(&id, &caller, at_once).await }
    });
    let revoked = revoking.await.ok_or_else(|| unknown(&id))?;
    Ok(Json(revoked))
}

/// Renews a lease.
///
/// By its own account, or by an operator in its name. Policy decides again, on the caller who asks now;
/// a lease it no longer allows is revoked. It never lasts beyond `renewable_until`. From here on
/// `audit_seq` is that of the renewal.
///
/// # Answers
///
/// - 200: the lease with its new end
/// - 403 `LeaseRefused`, 404 `UnknownLease`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn renew_lease(
    State(leases): State<Arc<Leases>>,
    State(forwarding): State<Arc<Forwarding>>,
    Asking(caller): Asking,
    Named(id): Named<LeaseId>,
    Body(body): Body<RenewRequest>,
) -> Result<Json<LeaseView>, Refusal> {
    let ttl = parse_ttl(body.ttl)?;
    let renewing = to_completion({
        let (leases, id) = (Arc::clone(&leases), id.clone());
        async move { leases.renew(&id, &caller, ttl).await }
    });
    renewing
        .await?
        .map(|lease| Json(forwarding.lease_view(&lease)))
        .ok_or_else(|| unknown(&id))
}

/// Makes ready for HTTPS through the broker.
///
/// For a `proxy` lease of the caller's own account. A `CONNECT` over the proxy's socket to one of the hosts, with the
/// lease's id in the header `tokend-lease`, leads to TLS that ends in the broker, under a certificate of the authority
/// in the answer. It is made when it is first asked for, and is the same as long as the lease lives.
///
/// # Answers
///
/// - 200: the hosts and the authority
/// - 404 `UnknownLease`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn make_tunnel(
    State(forwarding): State<Arc<Forwarding>>,
    Asking(caller): Asking,
    Named(id): Named<LeaseId>,
) -> Result<Json<TunnelView>, Refusal> {
    let making = to_completion(async move { forwarding.make_tunnel(&id, &caller).await });
    Ok(Json(making.await?))
}

/// A live lease, if it is the caller's or the caller is an operator.
fn visible_lease(
    leases: &Leases,
    config: &Config,
    caller: &Caller,
    id: &LeaseId,
) -> Result<Arc<Lease>, Refusal> {
    let lease = leases
        .find(id)
        .filter(|lease| lease.caller.uid == caller.uid || config.is_operator(caller));
    lease.ok_or_else(|| unknown(id))
}

fn unknown(id: &LeaseId) -> Refusal {
    Problem::new(
        ErrorCode::UnknownLease,
        format!("there is no live lease `{id}` of yours"),
    )
    .into()
}
