//! What leases must have in common to share a token.

use broker_protocol::names::{OrgName, Permissions, RepoPattern};
use broker_vault::MintKey;
use serde::{Deserialize, Serialize};

use crate::lease::Lease;

/// The scope of a lease's key as it is written down: the rule, and what it gives of repositories,
/// organisation and permissions.
#[derive(Serialize, Deserialize)]
struct Scope {
    rule: Box<str>,
    repositories: Vec<RepoPattern>,
    organization: Option<OrgName>,
    permissions: Permissions,
}

/// The key of a lease.
///
/// # Errors
///
/// If the scope cannot be written as JSON: a fault of the broker's own.
pub(crate) fn mint_key(lease: &Lease) -> Result<MintKey, serde_json::Error> {
    let mut repositories = lease.repositories.to_vec();
    repositories.sort();
    repositories.dedup();
    let scope = Scope {
        rule: lease.rule.as_ref().into(),
        repositories,
        organization: lease.organization.clone(),
        permissions: Permissions::clone(&lease.permissions),
    };
    Ok(MintKey {
        uid: lease.caller.uid,
        secret: lease.secret.clone(),
        purpose: lease.purpose.clone(),
        scope: serde_json::to_string(&scope)?.into(),
    })
}

/// Whether a key is for this repository by name. A scope that cannot be read names every one.
pub(super) fn names(key: &MintKey, repository: &RepoPattern) -> bool {
    let scope = serde_json::from_str::<Scope>(&key.scope);
    scope.map_or(true, |scope| scope.repositories.contains(repository))
}
