//! Leases, and what becomes of their tokens.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{
    Delivery, EnforcedBy, LeaseId, OrgName, Permissions, Purpose, RepoPattern, SecretName,
};

/// `POST /v1/leases`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// Why access is wanted.
    pub purpose: Purpose,
    /// Which repositories; absent means exactly those the rule gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<RepoPattern>>,
    /// Which organisation; absent means the one the rule gives, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrgName>,
    /// Which permissions; absent means exactly those the rule gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How long, in seconds; absent means the rule's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The caller's own words, for the record. At most 200 characters, no token in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What else ends the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// For `installation`: mint a new token, although one that could be shared is there. For a caller
    /// whose token GitHub refuses, or to whose App more was given since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fresh: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl LeaseRequest {
    /// Asks for exactly what the rule for this purpose gives.
    #[must_use]
    pub const fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            repositories: None,
            organization: None,
            permissions: None,
            ttl: None,
            reason: None,
            until: None,
            fresh: false,
        }
    }
}

/// What ends a lease besides its end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The process that asked has exited.
    CallerExit,
}

/// The answer to `POST /v1/leases`. It holds the token and so has no `Debug`: the broker writes it
/// straight to the socket, a reader wipes it when done.
#[derive(Serialize, Deserialize)]
pub struct LeaseAnswer<'a> {
    /// The token itself.
    pub token: Cow<'a, str>,
    /// All else about the lease.
    #[serde(flatten)]
    pub lease: LeaseView,
}

/// One lease, without its token: `GET /v1/leases`, `GET /v1/leases/{id}`, and the answer to a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// The lease.
    pub lease: LeaseId,
    /// How strong the token is.
    pub deliver: Delivery,
    /// Who holds the caller to the scope and the end below.
    pub enforced_by: EnforcedBy,
    /// Why.
    pub purpose: Purpose,
    /// The secret behind it, by name.
    pub secret: SecretName,
    /// The rule that allowed it, such as `label-sync.toml#2`.
    pub rule: String,
    /// Which repositories.
    pub repositories: Vec<RepoPattern>,
    /// Which organisation.
    pub organization: Option<OrgName>,
    /// Which permissions.
    pub permissions: Permissions,
    /// The account that took it.
    pub uid: u32,
    /// When it was first granted.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it ends at the latest, renewals included.
    pub renewable_until: Timestamp,
    /// The record that allowed it.
    pub audit_seq: u64,
    /// What whoever is behind the token has left at GitHub, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Since when the value behind it was past its time, where its source was down when it was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// A window of GitHub's primary rate limit, as GitHub last told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests in a window.
    pub limit: u64,
    /// Requests left in this one.
    pub remaining: u64,
    /// When it ends.
    pub reset_at: Timestamp,
}

/// `POST /v1/leases/{id}/renew`; an empty body asks for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// How long from now, in seconds; absent means the rule's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// `GET /v1/leases`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseList {
    /// Live leases, oldest first: one's own, or everybody's for an operator.
    pub leases: Vec<LeaseView>,
    /// Where there is more: what to ask for as `?after=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `DELETE /v1/leases/{id}?at_once=true`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeOptions {
    /// For `installation`: end the token at GitHub now, and with it the leases that share it. Otherwise
    /// it ends there with the last of them. Always so where an operator ends another account's lease.
    pub at_once: bool,
}

/// The answer to `DELETE /v1/leases/{id}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The lease that ended.
    pub lease: LeaseId,
    /// For `raw`: the caller still holds a working token, and only a rotation changes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// For `installation`: what became of the token at GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenEnd>,
    /// Leases that shared its token and ended with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ended: Vec<LeaseId>,
    /// Whether the end is already in the audit log. If not (the log cannot be written), it took
    /// effect all the same and is recorded when that is possible again.
    pub recorded: bool,
}

/// What became of an installation token at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenEnd {
    /// It is dead.
    Revoked,
    /// Other leases hold it; it ends with the last of them.
    Shared,
    /// It is being ended: GitHub is asked until it says so, or until the token ends by itself.
    Pending,
}
