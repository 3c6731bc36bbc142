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
    /// Where there is more: what to ask for as `?after=`. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A secret and its status. Never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// Whether a policy file declares it. If not, the vault holds a value that nobody can use.
    pub declared: bool,
    /// What the policy file says it is.
    pub kind: Option<String>,
    /// The login GitHub must report for it.
    pub owner: Option<String>,
    /// Scopes a classic token must carry.
    pub scopes: Vec<String>,
    /// Where the value comes from: `vault`, `file:PATH`, `env:NAME`, `keyring:NAME` or
    /// `op://VAULT/ITEM/FIELD`, perhaps with a section.
    pub source: String,
    /// Why that place gave none when it was last read, and the mend; never of the vault.
    #[serde(default)]
    pub source_fault: Option<String>,
    /// When that place was last read, where it is asked now and then: 1Password, the keyring. Absent for
    /// others, and before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_read_at: Option<Timestamp>,
    /// What the place counts its changes with, where it does and said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<u64>,
    /// Since when the value is past its time and served all the same, because its place is down. Absent
    /// while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
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
    /// Who was handed the value itself since it was set.
    pub exposed_to: Vec<Exposure>,
    /// The last check that GitHub answered, perhaps of an older version; with its findings where one
    /// secret is asked for.
    #[serde(default)]
    pub check: Option<CheckView>,
    /// A later check that GitHub did not answer.
    #[serde(default)]
    pub check_failed: Option<CheckFailed>,
    /// Its way to another place, where it is on one.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub moving: Option<MoveUnderWay>,
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
    /// mark at its beginning and one line end at its end are dropped. What is provably of another kind
    /// than declared is refused.
    pub value: String,
    /// When it ends at GitHub, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether to check it against GitHub at once. Absent: yes, unless `[github] check_every` is `off`.
    /// The answer waits at most 5 s for that, and a failure there is a warning.
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
    /// What its first characters say it is.
    pub looks_like: Option<String>,
    /// The version whose value it is, where an earlier one is stored once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// What a check found, if one was made and GitHub answered in time. Its faults are among the
    /// warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckView>,
    /// What the operator should know, such as that no policy file declares it, and what a check found
    /// that is not as it should be.
    pub warnings: Vec<String>,
}
