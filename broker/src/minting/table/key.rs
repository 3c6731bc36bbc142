//! What leases must have in common to share a token.

use broker_protocol::names::{OrgName, Permissions, Purpose, RepoPattern, SecretName};
use serde::{Deserialize, Serialize};

use crate::lease::Lease;

/// What leases must have in common to hold one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MintKey {
    pub(crate) uid: u32,
    pub(crate) secret: SecretName,
    pub(crate) purpose: Purpose,
    /// The rule and what it gives of repositories, organisation and permissions, as JSON.
    pub(crate) scope: Box<str>,
}

/// The scope of a key as it is written down.
#[derive(Serialize, Deserialize)]
struct Scope {
    rule: Box<str>,
    repositories: Vec<RepoPattern>,
    organization: Option<OrgName>,
    permissions: Permissions,
}

impl MintKey {
    /// The key of a lease.
    ///
    /// # Errors
    ///
    /// If the scope cannot be written as JSON: a fault of the broker's own.
    pub(crate) fn of(lease: &Lease) -> Result<Self, serde_json::Error> {
        let mut repositories = lease.repositories.to_vec();
        repositories.sort();
        repositories.dedup();
        let scope = Scope {
            rule: lease.rule.as_ref().into(),
            repositories,
            organization: lease.organization.clone(),
            permissions: Permissions::clone(&lease.permissions),
        };
        Ok(Self {
            uid: lease.caller.uid,
            secret: lease.secret.clone(),
            purpose: lease.purpose.clone(),
            scope: serde_json::to_string(&scope)?.into(),
        })
    }

    /// Whether it is for this repository by name. A scope that cannot be read names every one.
    pub(super) fn names(&self, repository: &RepoPattern) -> bool {
        let scope = serde_json::from_str::<Scope>(&self.scope);
        scope.map_or(true, |scope| scope.repositories.contains(repository))
    }
}
