//! The bodies of HTTP API v1. Times are RFC 3339 in UTC, durations whole seconds.
//!
//! Requests refuse unknown fields. Answers may gain fields within v1, so a reader ignores those it
//! does not know.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{CheckFailed, CheckView};
use crate::names::{
    Delivery, EnforcedBy, LeaseId, OrgName, Permissions, Purpose, RepoPattern, SecretName,
};

/// The largest request body, in bytes. A longer one gets 413.
pub const MAX_BODY: usize = 64 * 1024;

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

/// `GET /v1/purposes`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeList {
    /// The purposes some rule gives the caller; all of them for an operator.
    pub purposes: Vec<PurposeView>,
}

/// One purpose as it stands for the asking caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeView {
    /// Its name.
    pub purpose: Purpose,
    /// What it is for.
    pub about: Option<String>,
    /// The secret behind it.
    pub secret: SecretName,
    /// How strong the token is.
    pub deliver: Delivery,
    /// What is used where the secret is missing, expired, or an App that is not installed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackView>,
    /// The rule that speaks for the caller; `None` if none does (operators see such purposes too).
    pub rule: Option<String>,
    /// What the caller's rule gives; the purpose's own where no rule speaks.
    pub repositories: Vec<RepoPattern>,
    /// Which organisation.
    pub organization: Option<OrgName>,
    /// Which permissions.
    pub permissions: Permissions,
    /// Default length of a lease, in seconds.
    pub ttl_default: u64,
    /// Longest life of a lease, renewals included, in seconds.
    pub ttl_max: u64,
}

/// A second secret of a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackView {
    /// The secret.
    pub secret: SecretName,
    /// How strong the token then is.
    pub deliver: Delivery,
}

/// `GET /v1/status`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The broker's version, so that the command line can tell which of the two is older.
    pub version: String,
    /// Whether the store is locked.
    pub locked: bool,
    /// Whether a request could be granted now.
    pub ready: bool,
    /// Why not, for operators; empty if ready.
    pub not_ready: Vec<String>,
    /// The caller as the broker sees it.
    pub caller: CallerView,
    /// Whether the caller is an operator.
    pub operator: bool,
    /// The caller's live leases.
    pub own_leases: u64,
    /// All else, for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerStatus>,
}

/// The part of the status that only operators see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// When the broker started.
    pub started_at: Timestamp,
    /// The broker's process.
    pub pid: u32,
    /// Where the root key comes from: `file`, `passphrase`, `credential` or `keyring`.
    pub root_key: String,
    /// All live leases.
    pub live_leases: u64,
    /// Of those, how many hand out a stored token itself.
    pub raw_leases: u64,
    /// Records in the audit log.
    pub audit_records: u64,
    /// Hash of the last record, 64 hexadecimal digits.
    pub audit_head: String,
    /// The audit log's public key, base64.
    pub audit_key: String,
    /// Why the audit log refuses to append, if it does.
    pub audit_fault: Option<String>,
    /// Number of purposes in force.
    pub purposes: u64,
    /// When the policies in force were loaded.
    pub policies_loaded_at: Timestamp,
    /// What is wrong with the policies on disk, if a reload was refused.
    pub policy_fault: Option<String>,
    /// Whether leases and keys lie in memory that cannot be swapped out.
    pub memory_locked: bool,
    /// How it stands with GitHub.
    #[serde(default)]
    pub github: GitHubStatus,
    /// Every secret, by name.
    pub secrets: Vec<SecretView>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
    /// Who hears of warnings besides, and how that goes.
    #[serde(default)]
    pub warning_channels: Vec<WarningChannel>,
}

/// One of those who hear of warnings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningChannel {
    /// `hook` or `webhook`.
    pub channel: String,
    /// Warnings it has yet to hear of.
    pub waiting: u64,
    /// Since when it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How it stands with GitHub, as far as it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubStatus {
    /// The API's base URL.
    pub api: String,
    /// The circuit breaker: `closed` (asked), `open` (left alone after failures) or `half_open` (one
    /// call is out to see).
    pub breaker: String,
    /// When it last answered; `None` if it was not asked since the start.
    pub last_answer: Option<Timestamp>,
    /// Those whose rate limits are known, by name.
    pub principals: Vec<PrincipalLimits>,
}

/// What is left of the rate limits of one principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalLimits {
    /// Whom GitHub counts: `user acme-bot`, `installation 4711`, `app Iv23…` or `anonymous`.
    pub principal: String,
    /// Windows that have not ended, by name.
    pub resources: Vec<ResourceLimit>,
    /// When its secondary limit ends, if it is in one.
    pub secondary_until: Option<Timestamp>,
}

/// One resource of a primary rate limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// Such as `core` or `search`.
    pub resource: String,
    /// Its window.
    #[serde(flatten)]
    pub rate: RateLimit,
}

/// The caller as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerView {
    /// Account.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process, where it could be told.
    pub pid: Option<i32>,
    /// System unit that holds the process.
    pub unit: Option<String>,
    /// Unit of the account's own manager.
    pub user_unit: Option<String>,
    /// Program on the socket.
    pub exe: Option<String>,
}

/// `GET /v1/secrets` (operators)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretList {
    /// Every secret that policies declare or the vault holds, by name.
    pub secrets: Vec<SecretView>,
}

/// `GET /v1/repositories` (operators)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryList {
    /// Every repository for which an id is kept, by name.
    pub repositories: Vec<PinnedRepository>,
}

/// A repository's name and the id it has meant since an App was first given a token for it. Also the
/// answer to `DELETE /v1/repositories/{owner}/{name}`: what was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedRepository {
    /// `owner/name`.
    pub repository: RepoPattern,
    /// GitHub's number for it.
    pub id: u64,
}

/// What a secret is and how it stands. Never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// Whether a policy file declares it; if not, the vault holds a value nobody can use.
    pub declared: bool,
    /// `classic`, `fine-grained` or `app`.
    pub kind: Option<String>,
    /// The login GitHub must report for it.
    pub owner: Option<String>,
    /// Scopes a classic token must carry.
    pub scopes: Vec<String>,
    /// Where the value comes from, such as `vault` or `env:NAME`.
    pub source: String,
    /// Purposes that name it.
    pub purposes: Vec<Purpose>,
    /// `ok`, `due`, `overdue`, `expired` or `missing`.
    pub state: SecretState,
    /// When it must have been rotated or ends, whichever comes first.
    pub deadline: Option<Timestamp>,
    /// When it ends at GitHub, as far as is known.
    pub expires_at: Option<Timestamp>,
    /// How often it must be rotated, in seconds.
    pub rotate_every: Option<u64>,
    /// Warn below this many remaining requests.
    pub rate_floor: Option<u64>,
    /// The version in use; `None` without a value in the vault.
    pub version: Option<u64>,
    /// When its first version was stored.
    pub created_at: Option<Timestamp>,
    /// When the version in use was stored.
    pub set_at: Option<Timestamp>,
    /// Base64 SHA-256 of the value in use; GitHub's audit log calls it `hashed_token`.
    pub hashed_credential: Option<String>,
    /// When a lease on it was last granted, since this broker's vault began.
    pub last_used: Option<Timestamp>,
    /// Who was handed the value itself since it was set.
    pub exposed_to: Vec<Exposure>,
    /// The last check that GitHub answered, perhaps of an older version; with its findings where one
    /// secret is asked for.
    #[serde(default)]
    pub check: Option<CheckView>,
    /// A later check that GitHub did not answer.
    #[serde(default)]
    pub check_failed: Option<CheckFailed>,
}

/// How a secret stands against its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// More than 14 days to the deadline, or none.
    Ok,
    /// 14 days or less to the deadline.
    Due,
    /// Past the time by which it must have been rotated.
    Overdue,
    /// Ended at GitHub.
    Expired,
    /// No value.
    Missing,
}

impl SecretState {
    /// The state as `status` prints it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Due => "due",
            Self::Overdue => "overdue",
            Self::Expired => "expired",
            Self::Missing => "missing",
        }
    }
}

/// One account that was handed a raw secret for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The account.
    pub uid: u32,
    /// The purpose.
    pub purpose: Purpose,
    /// When it was last handed out.
    pub last: Timestamp,
    /// How many leases.
    pub leases: u64,
}

/// `PUT /v1/secrets/{name}` (operators): stores a new version. It holds the value and so has no
/// `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// The value.
    pub value: String,
    /// When it ends at GitHub, where the operator knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether to check it against GitHub at once; absent means yes, unless GitHub is asked only when
    /// told to (`[github] check_every = "off"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<bool>,
}

/// The answer to `PUT /v1/secrets/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSet {
    /// Its name.
    pub name: SecretName,
    /// The version that is in use now.
    pub version: u64,
    /// What its first characters say it is: `classic`, `fine-grained`, `app`, or `None`.
    pub looks_like: Option<String>,
    /// What a check found, if one was made and GitHub answered in time. Its faults are among the
    /// warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckView>,
    /// What the operator should know, such as “not declared in any policy file”.
    pub warnings: Vec<String>,
}

/// `POST /v1/unlock` (operators). It holds the passphrase and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The passphrase or the recovery passphrase; absent to read the configured source of the root
    /// key again (key file, credential, keyring).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// `POST /v1/policies/reload` (operators)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Files now in force, and the SHA-256 of each in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Number of purposes now in force.
    pub purposes: u64,
    /// Live leases that the new policies no longer allow, and that were revoked.
    pub revoked: Vec<LeaseId>,
    /// What an author should look at.
    pub warnings: Vec<String>,
}

/// `GET /v1/audit/head` (operators)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Records in the log.
    pub records: u64,
    /// Hash of the last, 64 hexadecimal digits.
    pub head: String,
    /// The log's public key, base64.
    pub key: String,
    /// Where the segments lie, as the broker names it.
    pub directory: String,
}

/// `GET /v1/audit/records?from=SEQ&limit=N` (operators): the bytes of the records themselves, as
/// `application/jsonl`. Reading is recorded as `audit.read`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRange {
    /// First record wanted; absent for the last `limit` records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many at most; absent means 1000, which is also the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Wait up to this many seconds (30 at most) for a first record, for `tail -f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

/// `GET /healthz`, `GET /readyz`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, `ready` or `not ready`.
    pub status: String,
    /// Why not ready; for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
