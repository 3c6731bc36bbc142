//! Secrets as operators see and set them. Never a value in an answer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{CheckFailed, CheckView};
use crate::moving::MoveUnderWay;
use crate::names::{Purpose, SecretName};

/// Secrets, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretList {
    /// Every secret that policies declare or the vault holds.
    pub secrets: Vec<SecretView>,
    /// Pass it as `?after=` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A secret and its status. Never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// Whether a policy file declares it. If not, the vault holds a value that no one can use.
    pub declared: bool,
    /// The kind that the policy file declares.
    pub kind: Option<String>,
    /// The login GitHub must report for it.
    pub owner: Option<String>,
    /// Scopes a classic token must carry.
    pub scopes: Vec<String>,
    /// Where the value comes from, as policies write it: `vault`, or a place outside of it such as
    /// `file:/run/secrets/site-token`.
    pub source: String,
    /// Why that source gave none when it was last read, and what to do; never for the vault.
    #[serde(default)]
    pub source_fault: Option<String>,
    /// When that source was last read, if its values are cached: 1Password, the keyring. Absent for
    /// others, and before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_read_at: Option<Timestamp>,
    /// The version of the value at the source, if it has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<u64>,
    /// Since when the value is stale and served anyway, because its source is down. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
    /// Purposes that name it.
    pub purposes: Vec<Purpose>,
    /// `ok`, `due`, `overdue`, `rejected`, `expired` or `missing`.
    pub state: SecretState,
    /// When it must be rotated or expires, whichever comes first.
    pub deadline: Option<Timestamp>,
    /// When it ends at GitHub, as far as is known.
    pub expires_at: Option<Timestamp>,
    /// How often it must be rotated, in seconds.
    pub rotate_every: Option<u64>,
    /// A warning is given below this many remaining requests.
    pub rate_floor: Option<u64>,
    /// The version in use; `null` without a value in the vault.
    pub version: Option<u64>,
    /// When its first version was stored.
    pub created_at: Option<Timestamp>,
    /// When the version in use was stored.
    pub set_at: Option<Timestamp>,
    /// Base64 SHA-256 of the value in use. GitHub's own audit log calls it `hashed_token`.
    pub hashed_credential: Option<String>,
    /// When a lease on it was last granted.
    pub last_used: Option<Timestamp>,
    /// The accounts that were handed the value itself since it was set.
    pub exposed_to: Vec<Exposure>,
    /// The last check that GitHub answered, perhaps of an older version; with its findings if one secret
    /// is shown.
    #[serde(default)]
    pub check: Option<CheckView>,
    /// A later check that GitHub did not answer.
    #[serde(default)]
    pub check_failed: Option<CheckFailed>,
    /// Those of the status's `warnings` that are about it: its state, what a check found, a source that is down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Its move to another source, if one is under way.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub moving: Option<MoveUnderWay>,
}

/// The state of a secret: against its deadline, and at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// More than 14 days to the deadline, or none.
    Ok,
    /// 14 days or less to the deadline.
    Due,
    /// It should have been rotated.
    Overdue,
    /// GitHub refused the value in use at its last check or use.
    Rejected,
    /// It expired at GitHub.
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
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Missing => "missing",
        }
    }
}

/// An account that was handed the value itself, for one purpose.
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

/// A new value.
///
/// It holds the value and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// The value: one line of printable ASCII without blanks or quotes around it, or PEM. A byte order
    /// mark at its beginning and one line end at its end are dropped. A value that is evidently of
    /// another kind than declared is refused.
    pub value: String,
    /// When it ends at GitHub, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether to check it against GitHub at once. Absent: yes, unless `[github] check_every` is `off`.
    /// The answer waits at most 5 s for it, and a failure is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<bool>,
}

/// How to go back to the previous value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSecret {
    /// Whether to check it against GitHub at once, as for a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<bool>,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSet {
    /// Its name.
    pub name: SecretName,
    /// The version that is in use now.
    pub version: u64,
    /// The kind that its first characters show.
    pub looks_like: Option<String>,
    /// The version that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// The result of a check, if one was made and GitHub answered in time. Its warnings and errors are
    /// among `warnings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckView>,
    /// What the operator should know, such as that no policy file declares it, and what a check found
    /// wrong.
    pub warnings: Vec<String>,
}
