//! Paths outside the vault that values come from: how they stand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::SecretName;

/// The outcome of asking every source for its value. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesProbed {
    /// Every secret whose value lies in a file, the keyring or 1Password, by name.
    pub sources: Vec<SourceProbed>,
    /// How it stands with 1Password; absent where no secret lies there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_password: Option<OnePasswordView>,
}

/// The outcome of asking for one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProbed {
    /// The secret.
    pub secret: SecretName,
    /// Where its value lies, as the policies say.
    pub source: String,
    /// Why there is none, or none that is newer, and what to do. Absent if all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when the value is past its time and served all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// What is known of 1Password. Absent where no secret is stored there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnePasswordView {
    /// Requests that this broker made within 24 hours and that count against a service account, at most.
    pub requests: u64,
    /// How many it allows itself: half of what the plan gives.
    pub allowed: u64,
    /// What 1Password itself says of the service account's limits. Empty without a service account.
    pub limits: Vec<ServiceLimitView>,
    /// Why 1Password did not answer, and what to do. Absent if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One limit of a 1Password service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLimitView {
    /// `token`: of this service account, by the hour. `account`: of all together, by the day.
    pub whose: String,
    /// `read`, `write` or `read_write`.
    pub action: String,
    /// Requests allowed.
    pub limit: u64,
    /// Requests left.
    pub remaining: u64,
}
