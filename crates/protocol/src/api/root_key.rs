//! The root key: how it stands, and its change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /v1/rekey` (operators). It may hold passphrases and so has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rekey {
    /// Where the root key is to be kept: `keyring`, `file`, `passphrase` or `credential`; absent for
    /// where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    /// The passphrase that is to guard it, or the one in force if an earlier broker set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
    /// The recovery passphrase, if an earlier broker set it; or a first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
}

/// The answer once it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeyed {
    /// Where the root key comes from now.
    pub root_key: String,
    /// Its version.
    pub version: u32,
    /// How many data keys were sealed anew.
    pub data_keys: u64,
    /// What is left to do, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// The answer, with status 202, where an operator has to make a credential first.
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
    /// Its version, from 1.
    pub version: u32,
    /// When it came into force.
    pub since: Timestamp,
    /// How many times it has sealed since, at most.
    pub seals: u64,
    /// How many times it may.
    pub most_seals: u64,
    /// Whether a recovery passphrase opens the vault too.
    pub recovery: bool,
    /// How often it is to change by itself, in seconds; `None` for only when told to.
    pub rekey_every: Option<u64>,
    /// By when it must have changed.
    pub deadline: Option<Timestamp>,
    /// What the next change needs a person for: `passphrase`, `recovery` or `credential`.
    pub needs: Option<String>,
}
