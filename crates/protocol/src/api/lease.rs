//! Leases, and what becomes of their tokens.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{
    Delivery, EnforcedBy, LeaseId, OrgName, Permissions, Purpose, RepoPattern, SecretName,
};

/// A request for a lease. The rule decides what is left out or `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// What the access is for.
    pub purpose: Purpose,
    /// Which repositories. Absent: exactly those of the rule. An empty list is refused as `too_wide`
    /// unless an organisation remains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<RepoPattern>>,
    /// Which organisation. Absent: the one of the rule, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrgName>,
    /// Which permissions. Absent: exactly those of the rule. An empty object is refused as `too_wide`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How long, in seconds. Absent: the rule's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The caller's own words, for the audit log. No control characters, nothing that looks like a
    /// token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What else revokes the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// With an App: mint a new token although one could be shared. For a value in 1Password or the
    /// keyring: read it there, whatever is cached. For a caller whose token GitHub refuses, or whose App
    /// was given more since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
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

/// What revokes a lease before it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The process that asked has exited.
    CallerExit,
}

/// A lease and its token. The only answer that holds one.
///
/// It has no `Debug`: the broker writes it straight to the socket, a reader wipes it when done.
#[derive(Serialize, Deserialize)]
pub struct LeaseAnswer<'a> {
    /// The token itself. Opaque: neither its length nor its form is promised.
    pub token: Cow<'a, str>,
    /// All else about the lease.
    #[serde(flatten)]
    pub lease: LeaseView,
}

/// One lease, without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// The lease.
    pub lease: LeaseId,
    /// What the caller gets.
    pub deliver: Delivery,
    /// Who enforces the scope and the end below.
    pub enforced_by: EnforcedBy,
    /// Why.
    pub purpose: Purpose,
    /// The secret behind it.
    pub secret: SecretName,
    /// The rule that allowed it: file, `#`, and its place in the file, counted from 1.
    pub rule: String,
    /// Which repositories. Empty where the lease is for an organisation alone.
    pub repositories: Vec<RepoPattern>,
    /// Which organisation, if any.
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
    /// The audit record that allowed it: the grant, or the last renewal.
    pub audit_seq: u64,
    /// What is left at GitHub to the account behind the token, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Since when the value behind it was stale when it was handed out, because its source was down.
    /// Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
    /// Since when GitHub refuses the stored token behind it, as the last check or use of it found: the lease is of
    /// no use before an operator stores a new value. Absent otherwise, and with an App.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_since: Option<Timestamp>,
    /// Where the token is honoured, and what it was used for. Only for `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyView>,
}

/// Where the token of a `proxy` lease is honoured, and what it was used for since the broker started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyView {
    /// The socket that honours the token, as an absolute path.
    pub socket: String,
    /// What to ask over that socket, such as `http://api.github.com`. No `/` at its end.
    pub api: String,
    /// Requests that were passed on to GitHub.
    pub requests: u64,
    /// Requests that the broker refused, and did not pass on.
    pub refused: u64,
    /// Requests that were passed on, and that GitHub answered with a status of 400 to 499.
    pub refused_by_github: u64,
    /// Why the broker refused the last one it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<String>,
}

/// What a command needs to reach GitHub through the broker by HTTPS, under a `proxy` lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelView {
    /// The lease it is for.
    pub lease: LeaseId,
    /// The hosts of GitHub for which TLS ends in the broker, as `HOST:PORT`.
    pub hosts: Vec<String>,
    /// The certificate, in PEM, of the authority that certifies those hosts and can certify no more: its
    /// key is gone.
    pub authority: String,
}

/// The header of a `CONNECT` over the proxy's socket that names the lease.
pub const LEASE_HEADER: &str = "tokend-lease";

/// The header of the proxy's answers that says with which error code the broker refused. GitHub's own have none.
pub const ERROR_HEADER: &str = "tokend-error";

/// What is left at GitHub to the account behind the token, of the requests that most endpoints draw on
/// (`core`). Absent where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests in a window.
    pub limit: u64,
    /// Requests left in this one.
    pub remaining: u64,
    /// When it ends.
    pub reset_at: Timestamp,
}

/// For how long to renew. An empty body counts as `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// How long from now, in seconds. Absent: the rule's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// Live leases, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseList {
    /// The caller's own, or those of all accounts for an operator.
    pub leases: Vec<LeaseView>,
    /// Pass it as `?after=` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How to revoke.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeOptions {
    /// For `installation`: end the token at GitHub now, and with it the leases that share it. Otherwise
    /// it ends there with the last of them. Always so where an operator ends another account's lease.
    pub at_once: bool,
}

/// The outcome of a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The lease.
    pub lease: LeaseId,
    /// For `raw`: the caller still holds a working token, and only a new value of the secret changes
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// With an App: the outcome for its installation token at GitHub. Absent where no one held one, and for a
    /// `proxy` lease that shared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenEnd>,
    /// Leases that shared the token and were revoked with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ended: Vec<LeaseId>,
    /// Whether the revocation is in the audit log already. If not, it took effect anyway and is recorded
    /// when the log can be written again.
    pub recorded: bool,
}

/// The outcome for an installation token at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenEnd {
    /// It is revoked.
    Revoked,
    /// Other leases hold it; it is revoked with the last of them.
    Shared,
    /// It is being revoked: GitHub is asked until it confirms, or until the token expires.
    Pending,
}
