//! Locking the store, and the kill switch.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{Delivery, LeaseId, Purpose, SecretName};

/// What else the lock revokes. An empty body counts as `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Whether every live lease is revoked too, and every installation token at GitHub.
    #[serde(default)]
    pub revoke: bool,
}

/// The store is locked, and what was revoked with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// `locked`.
    pub status: String,
    /// What was revoked, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedAll>,
}

/// What `revoke` revoked, and what it could not revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedAll {
    /// The leases that were revoked, of all accounts.
    pub leases: Vec<EndedLease>,
    /// How many leases from before the last start are revoked at the next unlock: until then the broker
    /// cannot verify which of them are genuine.
    pub leases_at_unlock: u64,
    /// Installation tokens that are revoked at GitHub.
    pub tokens_ended: Vec<EndedToken>,
    /// Installation tokens whose revocation GitHub has not confirmed. They are revoked after the next
    /// unlock, and expire within the hour.
    pub tokens_pending: Vec<EndedToken>,
    /// Values that were handed out as they are. Their leases are revoked, and the values still work.
    pub raw: Vec<StillValid>,
    /// Whether all of this is in the audit log already. If not, it took effect anyway and is recorded
    /// when the log can be written again.
    pub recorded: bool,
}

/// A lease that was revoked with all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLease {
    /// Its id.
    pub lease: LeaseId,
    /// What it was for.
    pub purpose: Purpose,
    /// Its secret.
    pub secret: SecretName,
    /// The account that held it.
    pub uid: u32,
    /// What it handed out.
    pub deliver: Delivery,
}

/// An installation token that was to be revoked at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedToken {
    /// Base64 SHA-256 of it, as in GitHub's own audit log.
    pub hashed_token: String,
    /// The App's secret.
    pub secret: SecretName,
    /// What it was minted for.
    pub purpose: Purpose,
    /// The account that may hold it.
    pub uid: u32,
    /// The installation it is for.
    pub installation: u64,
    /// When it expires at GitHub.
    pub expires_at: Timestamp,
}

/// A secret's own value that callers still hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillValid {
    /// The secret.
    pub secret: SecretName,
    /// What it was handed out for.
    pub purpose: Purpose,
    /// The account that holds it.
    pub uid: u32,
    /// How many leases on it were revoked.
    pub leases: u64,
    /// How to revoke it, after an unlock.
    pub hint: String,
}
