//! Who asked, as records name them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The caller as records name it. Everything but the account may be unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller<'a> {
    /// Account.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// Whose subordinate uid the account is, as `/etc/subuid` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subordinate_of: Option<u32>,
    /// Process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// When the process started, in clock ticks since boot; with `pid` it names one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// System unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Cow<'a, str>>,
    /// Unit of the account's own manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_unit: Option<Cow<'a, str>>,
    /// Program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Cow<'a, str>>,
    /// SHA-256 of the program, hexadecimal, where some policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Cow<'a, str>>,
}
