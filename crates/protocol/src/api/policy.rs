//! What the policies say to a request, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{OrgName, Permissions, Purpose, RepoPattern};

/// A request for a lease that is not made, and who would make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// What the access would be for.
    pub purpose: Purpose,
    /// Who would ask. Absent: the caller of this request, as the kernel describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<ExplainedCaller>,
    /// Which repositories, as in a request for a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<RepoPattern>>,
    /// Which organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrgName>,
    /// Which permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// A request to GitHub: whether the lease would be enough for it. A method and a path, such as
    /// `GET /repos/acme/site/labels`, or a whole URL for the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A caller: a running process, or one made up from attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainedCaller {
    /// A running process. Nothing else is given beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The account, by name, with its groups. Without this and `uid`: the account of the caller of this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The account, by number, with its groups. Not beside `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Groups to be in besides, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The system unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The unit of the account's own manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_unit: Option<String>,
    /// The program, by its canonical path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
}

/// What the policies say to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// In a word.
    pub outcome: ExplainedOutcome,
    /// The rule that speaks: file, `#`, and its place in the file, counted from 1. `null` if none does.
    pub rule: Option<String>,
    /// Why, line by line: for reading; the text may change.
    pub lines: Vec<String>,
    /// Since when these policies have been in force. Absent where files were read that need not be in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<Timestamp>,
    /// Policy files that were changed, added or removed since, and so are not in force, by name; or why they
    /// cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_changed: Vec<String>,
}

/// What is said to a request, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedOutcome {
    /// A rule gives it.
    Allowed,
    /// No rule matches the caller.
    Denied,
    /// A rule matches the caller, and gives less than is asked.
    TooWide,
}
