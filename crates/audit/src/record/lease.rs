//! A lease as records hold it: what a start honours it by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Caller;

/// All that is needed to honour a lease again after a restart: `lease.granted`, `lease.renewed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease<'a> {
    /// 32 hexadecimal digits.
    pub lease: Cow<'a, str>,
    /// Who took it.
    pub caller: Caller<'a>,
    /// Why.
    pub purpose: Cow<'a, str>,
    /// The secret, by name.
    pub secret: Cow<'a, str>,
    /// Which version of it; absent where the value is not stored in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The rule that spoke, such as `label-sync.toml#2`.
    pub rule: Cow<'a, str>,
    /// `installation`, `proxy` or `raw`.
    pub deliver: Cow<'a, str>,
    /// Which repositories.
    pub repositories: Vec<Cow<'a, str>>,
    /// Which organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Cow<'a, str>>,
    /// Which permissions.
    pub permissions: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// The caller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// Why the purpose's fallback was used, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Cow<'a, str>>,
    /// `caller_exit`, where the lease ends with the process that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Cow<'a, str>>,
    /// First grant, by the wall clock.
    pub issued_at: Timestamp,
    /// End, by the wall clock.
    pub expires_at: Timestamp,
    /// Latest end, renewals included, by the wall clock.
    pub renewable_until: Timestamp,
    /// The boot in which the next three were read.
    pub boot_id: Cow<'a, str>,
    /// First grant, in microseconds of `CLOCK_BOOTTIME`.
    pub issued_boot_us: u64,
    /// End, in microseconds of `CLOCK_BOOTTIME`.
    pub expires_boot_us: u64,
    /// Latest end, in microseconds of `CLOCK_BOOTTIME`.
    pub renewable_boot_us: u64,
    /// Base64 SHA-256 of what is handed out; absent where it is not known yet (`lease.issued`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed_token: Option<Cow<'a, str>>,
    /// Base64 SHA-256 of what is used at GitHub; absent where it is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed_credential: Option<Cow<'a, str>>,
}

/// What is about to be handed out, where the grant could not name it yet: `lease.issued`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued<'a> {
    /// The lease.
    pub lease: Cow<'a, str>,
    /// Base64 SHA-256 of what is handed out.
    pub hashed_token: Cow<'a, str>,
    /// Base64 SHA-256 of what is used at GitHub.
    pub hashed_credential: Cow<'a, str>,
    /// For an installation token: the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<u64>,
    /// The credential's own end, by the wall clock of the grant, where the grant would have let the
    /// lease be renewed beyond it: no lease outlives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when the value is past its time, where its source was down and it was handed out all the
    /// same, by the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}
