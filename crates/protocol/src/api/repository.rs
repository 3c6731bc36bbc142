//! Which repository a name means to Apps.

use serde::{Deserialize, Serialize};

use crate::names::RepoPattern;

/// `GET /v1/repositories` (operators)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryList {
    /// Every repository for which an id is kept, by name.
    pub repositories: Vec<PinnedRepository>,
    /// Where there is more: what to ask for as `?after=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A repository's name and the id it has meant since an App was first given a token for it. Also the
/// answer to `DELETE /v1/repositories/{owner}/{name}`: what was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedRepository {
    /// `owner/name`.
    pub repository: RepoPattern,
    /// GitHub's number for it.
    pub id: u64,
}
