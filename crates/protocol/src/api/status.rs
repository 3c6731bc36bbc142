//! How the broker stands, and GitHub as it sees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RateLimit, RootKeyView, SecretView};

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
    /// The root key in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key_in_force: Option<RootKeyView>,
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
    /// The limit on whatever it asks, if it is in one: nothing is asked of GitHub for it meanwhile.
    pub held_off: Option<HeldOff>,
}

/// A limit on whatever a principal asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOff {
    /// `secondary`: it asked too much too fast; `lock_out`: after several wrong credentials.
    pub limit: String,
    /// When it ends.
    pub until: Timestamp,
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
