//! The bodies of HTTP API v1. Times are RFC 3339 in UTC, durations whole seconds.
//!
//! Requests refuse unknown fields. Answers may gain fields within v1, so a reader ignores those it
//! does not know.

mod audit;
mod lease;
mod lock;
mod page;
mod purpose;
mod repository;
mod root_key;
mod secret;
mod source;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::audit::{AuditHead, AuditRange};
pub use self::lease::{
    LeaseAnswer, LeaseList, LeaseRequest, LeaseView, RateLimit, RenewRequest, RevokeOptions,
    Revoked, TokenEnd, Until,
};
pub use self::lock::{EndedLease, EndedToken, Lock, Locked, RevokedAll, StillValid};
pub use self::page::{MAX_PAGE, Page};
pub use self::purpose::{FallbackView, PurposeList, PurposeView};
pub use self::repository::{PinnedRepository, RepositoryList};
pub use self::root_key::{CredentialWanted, Rekey, Rekeyed, RootKeyView};
pub use self::secret::{
    Exposure, SecretList, SecretSet, SecretState, SecretView, SetSecret, UndoSecret,
};
pub use self::source::{OnePasswordView, ServiceLimitView, SourceProbed, SourcesProbed};
pub use self::status::{
    BrokerStatus, CallerView, GitHubStatus, HeldOff, PrincipalLimits, ResourceLimit, Status,
    WarningChannel,
};
use crate::names::LeaseId;

/// The largest request body, in bytes. A longer one gets 413.
pub const MAX_BODY: usize = 64 * 1024;

/// `POST /v1/unlock` (operators). It holds the passphrase and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The passphrase or the recovery passphrase; absent to read the configured source of the root
    /// key again (key file, credential, keyring).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// `POST /v1/backup` (operators); answered with the bytes of a backup.
///
/// It has no `Debug`: it may hold a passphrase.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackUp {
    /// All that will protect the backup, and the root key in it.
    pub passphrase: String,
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

/// `GET /healthz`, `GET /readyz`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, `ready` or `not ready`.
    pub status: String,
    /// Why not ready; for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
