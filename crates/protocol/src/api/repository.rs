//! Which repository a name means to Apps.

use serde::{Deserialize, Serialize};

use crate::names::RepoPattern;

/// Repositories, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryList {
    /// Every name for which an id is kept.
    pub repositories: Vec<PinnedRepository>,
    /// Pass it as `?after=` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A repository's name and the id it has meant since an App was first given a token for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedRepository {
    /// Its name.
    pub repository: RepoPattern,
    /// GitHub's number for it.
    pub id: u64,
}
