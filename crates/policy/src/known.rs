//! The names GitHub knows: scopes of classic tokens, and permissions with their levels.
//!
//! Scopes: GitHub's documentation, “Scopes for OAuth apps”. Permissions: [`broker_protocol::permissions`]. Both
//! lists grow, so an unknown name is a warning; a level that a known permission does not have is an error.

use broker_protocol::names::{Level, PermissionName};
use broker_protocol::permissions::levels;
pub(super) use broker_protocol::permissions::odd as odd_permission;
use broker_protocol::similar::did_you_mean;

/// A classic scope as GitHub documents it, or what is odd about its name.
pub(super) fn scope(scope: &str) -> Result<&'static str, String> {
    let known = SCOPES.iter().find(|known| **known == scope);
    known.copied().ok_or_else(|| {
        let meant = did_you_mean(scope, SCOPES.iter().copied());
        format!("GitHub documents no scope `{scope}`{meant}")
    })
}

/// Whether a permission is about an organisation and not about its repositories. One that this list
/// does not have counts as about repositories, which is the stricter guess.
pub(super) fn is_of_organization(name: &PermissionName) -> bool {
    let name = name.as_str();
    name.starts_with("organization_") || OF_ORGANIZATION.contains(&name)
}

/// Why a permission cannot have a level, in words. One that this list does not have may.
pub(super) fn wrong_level(name: &PermissionName, level: Level) -> Option<String> {
    let levels = levels(name.as_str())?;
    (!levels.contains(&level)).then(|| {
        let levels: Vec<_> = levels.iter().map(|level| level.as_str()).collect();
        format!("GitHub knows `{name}` only as {}", levels.join(" or "))
    })
}

const SCOPES: &[&str] = &[
    "admin:enterprise",
    "admin:gpg_key",
    "admin:org",
    "admin:org_hook",
    "admin:public_key",
    "admin:repo_hook",
    "admin:ssh_signing_key",
    "audit_log",
    "codespace",
    "codespace:secrets",
    "copilot",
    "delete:packages",
    "delete_repo",
    "gist",
    "manage_billing:copilot",
    "manage_billing:enterprise",
    "manage_runners:enterprise",
    "manage_runners:org",
    "notifications",
    "project",
    "public_repo",
    "read:audit_log",
    "read:discussion",
    "read:enterprise",
    "read:gpg_key",
    "read:network_configurations",
    "read:org",
    "read:packages",
    "read:project",
    "read:public_key",
    "read:repo_hook",
    "read:ssh_signing_key",
    "read:user",
    "repo",
    "repo:invite",
    "repo:status",
    "repo_deployment",
    "scim:enterprise",
    "security_events",
    "site_admin",
    "user",
    "user:email",
    "user:follow",
    "workflow",
    "write:discussion",
    "write:gpg_key",
    "write:network_configurations",
    "write:org",
    "write:packages",
    "write:public_key",
    "write:repo_hook",
    "write:ssh_signing_key",
];

const OF_ORGANIZATION: &[&str] = &[
    "custom_properties_for_organizations",
    "enterprise_custom_properties_for_organizations",
    "members",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_scope_is_pointed_out_and_a_documented_one_is_not() {
        assert_eq!(scope("repo:status"), Ok("repo:status"));
        assert_eq!(
            scope("workflows").unwrap_err(),
            "GitHub documents no scope `workflows` (did you mean `workflow`?)"
        );
    }
}
