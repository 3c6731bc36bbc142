//! Paths outside the vault that values come from: how they stand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::SecretName;

/// The outcome of asking every source for its value. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesProbed {
    /// Every secret whose value is in a file, the keyring or 1Password, by name.
    pub sources: Vec<SourceProbed>,
    /// What is known of 1Password; absent if no secret is stored there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_password: Option<OnePasswordView>,
}

/// The outcome of asking for one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProbed {
    /// The secret.
    pub secret: SecretName,
    /// Its source, as the policies say.
    pub source: String,
    /// Why there is none, or none that is newer, and what to do. Absent if all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when the value is stale and served anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// What is known of 1Password. Absent if no secret is stored there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnePasswordView {
    /// Requests that this broker made within 24 hours and that count against a service account, at most.
    pub requests: u64,
    /// The most it makes: half of what the plan allows.
    pub allowed: u64,
    /// The limits of the service account, as 1Password reports them. Empty without a service account.
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
