//! What callers may ask for.

use serde::{Deserialize, Serialize};

use crate::names::{Delivery, OrgName, Permissions, Purpose, RepoPattern, SecretName};

/// Purposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeList {
    /// Those that a rule allows the caller; all of them for an operator.
    pub purposes: Vec<PurposeView>,
    /// Pass it as `?after=` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One purpose, as policy gives it to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeView {
    /// Its name.
    pub purpose: Purpose,
    /// What it is for, in the policy author's words.
    pub about: Option<String>,
    /// The secret behind it.
    pub secret: SecretName,
    /// What the caller gets.
    pub deliver: Delivery,
    /// What is used where the secret is missing, expired, or an App that is not installed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackView>,
    /// The rule that applies to the caller. `null` if none does; only operators see such purposes.
    pub rule: Option<String>,
    /// Those of the caller's rule; those of the purpose where no rule applies.
    pub repositories: Vec<RepoPattern>,
    /// Which organisation, if any.
    pub organization: Option<OrgName>,
    /// Which permissions.
    pub permissions: Permissions,
    /// Duration of a lease that asks for none, in seconds.
    pub ttl_default: u64,
    /// Longest duration of a lease, renewals included, in seconds.
    pub ttl_max: u64,
    /// Below which address git reaches its repositories, such as `https://github.com`. No `/` at its end.
    /// Absent where the broker's `[github] api` has no web host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
}

/// A second secret of a purpose, used where the first is missing, expired, or an App that is not
/// installed there; never after a refusal for lack of permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackView {
    /// The secret.
    pub secret: SecretName,
    /// What the caller then gets.
    pub deliver: Delivery,
}
