//! The bodies of HTTP API v1. Times are RFC 3339 in UTC, durations whole seconds.
//!
//! Requests refuse unknown fields. Answers may gain fields within v1, so a reader ignores those it
//! does not know.

mod audit;
mod lease;
mod lock;
mod policy;
mod purpose;
mod repository;
mod root_key;
mod secret;
mod source;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::audit::*;
pub use self::lease::*;
pub use self::lock::*;
pub use self::policy::*;
pub use self::purpose::*;
pub use self::repository::*;
pub use self::root_key::*;
pub use self::secret::*;
pub use self::source::*;
pub use self::status::*;
use crate::client::MAX_ANSWER;
use crate::names::LeaseId;

/// The largest request body, in bytes. A longer one gets 413.
pub const MAX_BODY: usize = 64 * 1024;

/// A page of a list ends with the item that would make it longer, in bytes. Half of what clients take,
/// so that those who know of no pages still see as much as they ever could use.
pub const MAX_PAGE: usize = MAX_ANSWER / 2;

/// `?after=CURSOR` of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The `next` of the page before; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Where the root key comes from this time. An empty body counts as `{}`.
///
/// It holds the passphrase and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The passphrase, or the recovery passphrase. Absent: read the configured source again (key file,
    /// systemd credential, keyring).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// What a backup is sealed under.
///
/// It holds a passphrase and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackUp {
    /// At least 12 characters. It is all that will protect the backup, and the root key in it.
    pub passphrase: String,
}

/// The policies now in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Each file, and its SHA-256 in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// How many purposes.
    pub purposes: u64,
    /// Live leases that the new policies no longer allow, and that were revoked.
    pub revoked: Vec<LeaseId>,
    /// Warnings for the author.
    pub warnings: Vec<String>,
}

/// One word, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` (alive); `ready` or `not ready` (would grant); `locked` or `unlocked` (the store).
    pub status: String,
    /// Why not ready, for operators. Left out when there is nothing to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
