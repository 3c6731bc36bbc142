//! The state of the broker, and GitHub as it sees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RateLimit, RootKeyView, SecretView};

/// The header of what `tokend --dev` answers.
pub const DEV_HEADER: &str = "tokend-dev";

/// What it says: the tokens are made up, and nothing is kept.
pub const DEV: &str = "not for use";

/// The broker's status, as this caller may see it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the answer, and independent of the others"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The broker's version.
    pub version: String,
    /// `true` for `tokend --dev`: made-up tokens, no GitHub, not for use. Absent for every other broker.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dev: bool,
    /// Whether the store is locked.
    pub locked: bool,
    /// Whether callers can connect and a request could be granted now.
    pub ready: bool,
    /// Why not. Empty if ready, and for callers who are not operators.
    pub not_ready: Vec<String>,
    /// The caller as the broker sees it.
    pub caller: CallerView,
    /// Whether the caller is an operator.
    pub operator: bool,
    /// The caller's live leases.
    pub own_leases: u64,
    /// Everything else. For operators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerStatus>,
}

/// The part of the status that only operators see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// When the broker started.
    pub started_at: Timestamp,
    /// Its process.
    pub pid: u32,
    /// Where the root key comes from.
    pub root_key: String,
    /// The root key in force.
    pub root_key_in_force: RootKeyView,
    /// All live leases.
    pub live_leases: u64,
    /// Of those, how many handed out a stored token itself.
    pub raw_leases: u64,
    /// Records in the audit log.
    pub audit_records: u64,
    /// Hash of the last record.
    pub audit_head: String,
    /// The audit log's Ed25519 public key, base64.
    pub audit_key: String,
    /// Why the audit log refuses to append, if it does.
    pub audit_fault: Option<String>,
    /// Purposes in force.
    pub purposes: u64,
    /// When the policies in force were loaded.
    pub policies_loaded_at: Timestamp,
    /// What is wrong with the policies on disk, if a reload was refused.
    pub policy_fault: Option<String>,
    /// Policy files that were changed, added or removed since the policies in force were loaded, by name; or why they
    /// cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_files_changed: Vec<String>,
    /// Whether keys are in memory that cannot be swapped out.
    pub memory_locked: bool,
    /// What is known of GitHub.
    #[serde(default)]
    pub github: GitHubStatus,
    /// Every secret, by name.
    pub secrets: Vec<SecretView>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
    /// Those of `hook` and `webhook` that are configured.
    #[serde(default)]
    pub warning_channels: Vec<WarningChannel>,
}

/// A hook or webhook that is told of warnings, and whether it can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningChannel {
    /// `hook` or `webhook`.
    pub channel: String,
    /// Warnings that are not delivered yet.
    pub waiting: u64,
    /// Since when delivery fails; absent while it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why it fails. Never a webhook's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What is known of GitHub, as far as it was asked since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubStatus {
    /// The API's base URL.
    pub api: String,
    /// The circuit breaker: `closed`, it is asked; `open`, it is not asked after failures in a row;
    /// `half_open`, one call is trying.
    pub breaker: String,
    /// When it last answered.
    pub last_answer: Option<Timestamp>,
    /// Principals whose rate limits are known, by name.
    pub principals: Vec<PrincipalLimits>,
}

/// What one principal has left at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalLimits {
    /// Whose requests GitHub counts: `user LOGIN`, `installation ID`, `app CLIENT_ID` or `anonymous`.
    pub principal: String,
    /// Windows that have not ended, by name.
    pub resources: Vec<ResourceLimit>,
    /// The limit on all its requests, if there is one: the broker makes none for it until then.
    pub held_off: Option<HeldOff>,
}

/// A limit on all requests of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOff {
    /// `secondary`: too many requests too fast; `lock_out`: several wrong credentials.
    pub limit: String,
    /// When it ends.
    pub until: Timestamp,
}

/// A window of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// Such as `core` or `search`.
    pub resource: String,
    /// Its window.
    #[serde(flatten)]
    pub rate: RateLimit,
}

/// The caller as the kernel describes it. What is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerView {
    /// Account.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process. `null` from another pid namespace.
    pub pid: Option<i32>,
    /// System unit that holds the process.
    pub unit: Option<String>,
    /// Unit of the account's own manager.
    pub user_unit: Option<String>,
    /// Program on the socket.
    pub exe: Option<String>,
}
