//! What a request to GitHub needs of a lease: which repository or organisation, and which permissions.
//!
//! ```text
//! host, method, path ─needs→ [Need] ─beyond(Scope)→ nothing, or what the lease does not allow
//! ```
//!
//! `allow` takes both steps. Pure. A stored token may reach everything its owner does; this decides what of
//! that a lease is held to. So whatever is not known is refused: a path that two servers might read differently,
//! an operation that is not in the table, one that reaches past the repository in its path. *Needs no permission
//! at GitHub* never means allowed: `GET /issues` needs none there because GitHub filters it by what the token
//! reaches. Nothing is filtered here: paging, counts and ETags would be wrong.
//!
//! What the table refuses, the author of a purpose may allow with `paths`, an operation at a time. What the path
//! of such a request names is held to the lease all the same.
//!
//! A path may mean several things (see `path`): then each of them must be allowed.
//!
//! git has a host and a few requests of its own: see [`git`]. GraphQL has one path for everything: see [`graphql`].
//!
//! Not here: headers; bodies and queries, but for git's and GraphQL's.

pub mod git;
pub mod graphql;
mod listed;
mod need;
mod operation;
mod path;
mod said;
mod scope;
mod table;

#[cfg(test)]
mod tests;

pub use need::Need;
pub use operation::{NoOperation, Operation};
pub use path::BadPath;
pub use scope::{Allowed, Refused, Scope, allow};

use path::Path;
use table::{Match, OPERATIONS, Spans};

/// Which of GitHub's hosts a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GithubHost {
    /// `api.github.com`, or the API of an Enterprise Server without its `/api/v3`.
    Api,
    /// `uploads.github.com`: assets of releases.
    Uploads,
    /// `github.com`, or what an Enterprise Server has outside `/api`: git, which [`git`] decides on.
    Web,
}

/// Why a request is refused whatever the lease holds. The message completes “refused: …”.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path cannot be decided on.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// Not in the table.
    #[error("GitHub documents no such operation, or it is newer than this version")]
    Unknown,
    /// GraphQL, asked elsewhere.
    #[error("GraphQL is served at `/graphql` of the API's host, written so")]
    Graphql,
    /// An owner or a repository that GitHub cannot have, or one that is encoded.
    #[error("{operation} names no owner or repository in plain letters")]
    Name {
        /// The operation.
        operation: Operation,
    },
    /// In the table, with this reason.
    #[error("{operation} {why}")]
    Operation {
        /// The operation.
        operation: Operation,
        /// Why no lease allows it.
        why: Why,
    },
}

/// Why the table refuses an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A fork, a transfer, a sub-issue.
    #[error("reaches another repository than the one in its path")]
    OtherRepository,
    /// `/repositories/1`, `/teams/1`.
    #[error("names a repository or a team by its number")]
    Number,
    /// A deploy key, a runner's token, a collaborator.
    #[error("hands out a credential, or gives others access, under a wider permission")]
    Credential,
    /// A list over accounts, the account itself.
    #[error("answers with what the stored token reaches, not with what the lease does")]
    Beyond,
    /// Open to no fine-grained token, or of an account or an enterprise.
    #[error("is covered by no permission of a lease")]
    NoPermission,
    /// Newer than the list of permissions.
    #[error("is newer than what this version knows")]
    New,
}

/// What a request needs of a lease, all of it, under a purpose with these `paths`.
///
/// `path` is the request's own, as it came and without its query; `HEAD` counts as `GET`.
///
/// # Errors
///
/// A request that no lease allows.
pub fn needs(
    host: GithubHost,
    method: &str,
    path: &str,
    paths: &[Operation],
) -> Result<Vec<Need>, Refusal> {
    let meanings = meanings(host, method, path)?;
    let needs = meanings.iter().map(|found| Need::of(found, paths));
    let mut needs = needs.collect::<Result<Vec<_>, _>>()?;
    needs.dedup();
    Ok(needs)
}

/// The operations that a request may mean, over all readings of its path; those of the path as it came
/// are the first.
fn meanings(host: GithubHost, method: &str, path: &str) -> Result<Vec<Match>, Refusal> {
    let path = Path::parse(path)?;
    if path.plain == ["graphql"] {
        return Err(Refusal::Graphql);
    }
    let method = if method == "HEAD" { "GET" } else { method };
    let decoded = path.decoded.iter().map(|reading| (reading, Spans::Any));
    let readings = std::iter::once((&path.plain, Spans::Documented)).chain(decoded);
    let mut meanings = Vec::new();
    for (reading, spans) in readings {
        let mut found = OPERATIONS.matches(method, reading, spans);
        found.retain(|found| found.is_for(host));
        if found.is_empty() {
            return Err(Refusal::Unknown);
        }
        meanings.append(&mut found);
    }
    Ok(meanings)
}
