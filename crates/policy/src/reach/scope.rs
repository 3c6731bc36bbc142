//! Whether a request stays within what a lease holds.

use std::fmt;

use broker_protocol::names::{OrgName, Permissions, RepoPattern};

use super::table::Match;
use super::{GithubHost, Need, Operation, Refusal, meanings};
use crate::request::Terms;

/// What of GitHub a lease holds.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Its repositories.
    pub repositories: &'a [RepoPattern],
    /// Its organisation.
    pub organization: Option<&'a OrgName>,
    /// Its permissions.
    pub permissions: &'a Permissions,
    /// What its purpose allows besides: `paths`.
    pub paths: &'a [Operation],
}

impl<'a> Scope<'a> {
    /// What these terms hold, with the `paths` of their purpose.
    #[must_use]
    pub fn of(terms: &'a Terms, paths: &'a [Operation]) -> Self {
        Self {
            repositories: &terms.repositories,
            organization: terms.organization.as_ref(),
            permissions: &terms.permissions,
            paths,
        }
    }

    fn holds(&self, found: &Match) -> Result<(), Refused> {
        let within = |need: Need| match need.beyond(self, "the lease") {
            None => Ok(()),
            Some(what) => Err(Refused::Beyond {
                operation: found.operation,
                what,
            }),
        };
        match Need::of(found, self.paths) {
            Ok(need) => within(need),
            // Where what its path names is outside the lease, no line in `paths` would help.
            Err(refusal @ Refusal::Operation { .. }) => {
                within(Need::listed(found)?)?;
                Err(refusal.into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// A request that stays within a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// What it does: what its path means as it came.
    pub operation: Operation,
    /// Whether GitHub's description has `temp_clone_token` in the answer, with which more can be done
    /// than the lease allows.
    pub clone_token: bool,
}

/// Why a request is refused under a lease. The message completes “refused: …”.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No lease allows it unless `paths` does.
    Always(Refusal),
    /// The lease does not hold what it needs.
    Beyond {
        /// What it does.
        operation: Operation,
        /// The first thing missing, such as “repository `acme/other`; the lease allows `acme/site`”.
        what: String,
    },
}

impl Refused {
    /// What the request would have done, as far as that is known.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        match self {
            Self::Beyond { operation, .. }
            | Self::Always(Refusal::Operation { operation, .. } | Refusal::Name { operation }) => {
                Some(*operation)
            }
            Self::Always(Refusal::Path(_) | Refusal::Unknown | Refusal::Graphql) => None,
        }
    }

    /// The operation that `paths` would have to list for the request to be allowed.
    #[must_use]
    pub const fn unlisted(&self) -> Option<Operation> {
        match self {
            Self::Always(Refusal::Operation { operation, .. }) => Some(*operation),
            Self::Always(
                Refusal::Path(_) | Refusal::Unknown | Refusal::Graphql | Refusal::Name { .. },
            )
            | Self::Beyond { .. } => None,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Always(refusal)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(refusal) => write!(f, "{refusal}")?,
            Self::Beyond { what, .. } => f.write_str(what)?,
        }
        match self.unlisted() {
            Some(operation) => write!(
                f,
                "; to allow it, add `\"{operation}\"` to the list `paths` of the purpose (`paths = [\"{operation}\"]` \
                 if it has none)"
            ),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refused {}

/// Decides whether a lease allows a request.
///
/// `path` is the request's own, as it came and without its query; `HEAD` counts as `GET`. Everything
/// that the path may mean must be allowed.
///
/// # Errors
///
/// What the lease does not hold, or why no lease does.
pub fn allow(
    scope: &Scope<'_>,
    host: GithubHost,
    method: &str,
    path: &str,
) -> Result<Allowed, Refused> {
    let meanings = meanings(host, method, path)?;
    meanings.iter().try_for_each(|found| scope.holds(found))?;
    let first = meanings.first().ok_or(Refusal::Unknown)?;
    Ok(Allowed {
        operation: first.operation,
        clone_token: meanings.iter().any(|found| found.said.clone_token),
    })
}
