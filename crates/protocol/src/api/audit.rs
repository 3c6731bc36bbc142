//! The audit log, read through the broker.

use serde::{Deserialize, Serialize};

/// How far the audit log has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Records in the log.
    pub records: u64,
    /// Hash of the last record.
    pub head: String,
    /// The log's Ed25519 public key, base64.
    pub key: String,
    /// The directory of its segments, as the broker names it.
    pub directory: String,
}

/// Which records to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRange {
    /// First record wanted; absent for the last `limit` records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many at most; absent means 1000, which is also the most. Fewer come where they are long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Wait up to this many seconds (30 at most) for a first record, for `tail -f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}
