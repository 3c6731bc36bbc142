//! The root key: its state, and its change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the next root key is to be kept, and what only the operator knows. An empty body counts as
/// `{}`.
///
/// It may hold passphrases and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rekey {
    /// Where to keep it from now on. Absent: where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    /// The new passphrase, at least 12 characters, where the key is to be behind one and is not yet; or the
    /// one in force, to check it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
    /// A first recovery passphrase; or the one there is, to check it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
}

/// The root key now in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeyed {
    /// Where it comes from.
    pub root_key: String,
    /// Its version.
    pub version: u32,
    /// How many data keys are under it: one for each stored version and each installation token.
    pub data_keys: u64,
    /// What is left for the operator to do. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// A systemd credential that an operator has to make first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialWanted {
    /// Its name.
    pub credential: String,
    /// What to run, as root and in this order.
    pub steps: Vec<String>,
}

/// The root key in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKeyView {
    /// Its version.
    pub version: u32,
    /// When it came into force.
    pub since: Timestamp,
    /// How many times it has sealed since, at most. A data key seals once.
    pub seals: u64,
    /// How many times it may, with random nonces of 96 bits: 2^32 (NIST SP 800-38D).
    pub most_seals: u64,
    /// Whether a recovery passphrase opens the store too.
    pub recovery: bool,
    /// How often it is changed, in seconds; `null`: only on request.
    pub rekey_every: Option<u64>,
    /// When it must be changed at the latest.
    pub deadline: Option<Timestamp>,
    /// What the next change needs an operator for: `credential`; null: the broker can do it by itself.
    pub needs: Option<String>,
}
