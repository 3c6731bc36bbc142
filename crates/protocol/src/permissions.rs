//! The permissions that GitHub documents, with their levels: the `app-permissions` schema of its OpenAPI
//! description, and what its REST reference names besides (variables, advisories, codespaces' secrets, insights).
//!
//! The list grows, so a name that is not on it may be one all the same.

use crate::names::{Level, PermissionName};
use crate::similar::did_you_mean;

/// The levels of a permission; `None` for one this list does not have.
#[must_use]
pub fn levels(name: &str) -> Option<&'static [Level]> {
    let (levels, _) = PERMISSIONS
        .iter()
        .find(|(_, names)| names.contains(&name))?;
    Some(levels)
}

/// What is odd about a permission's name, if anything.
#[must_use]
pub fn odd(name: &PermissionName) -> Option<String> {
    if levels(name.as_str()).is_some() {
        return None;
    }
    let known = PERMISSIONS
        .iter()
        .flat_map(|(_, names)| names.iter().copied());
    let meant = did_you_mean(name.as_str(), known);
    Some(format!("GitHub documents no permission `{name}`{meant}"))
}

const PERMISSIONS: &[(&[Level], &[&str])] = &[
    (
        &[Level::Read, Level::Write],
        &[
            "actions",
            "actions_variables",
            "administration",
            "artifact_metadata",
            "attestations",
            "checks",
            "code_quality",
            "codespaces",
            "codespaces_lifecycle_admin",
            "contents",
            "custom_properties_for_organizations",
            "dependabot_secrets",
            "deployments",
            "discussions",
            "email_addresses",
            "environments",
            "followers",
            "git_ssh_keys",
            "gpg_keys",
            "interaction_limits",
            "issues",
            "members",
            "merge_queues",
            "metadata",
            "organization_actions_variables",
            "organization_administration",
            "organization_announcement_banners",
            "organization_copilot_agent_settings",
            "organization_copilot_seat_management",
            "organization_custom_org_roles",
            "organization_custom_roles",
            "organization_hooks",
            "organization_packages",
            "organization_personal_access_token_requests",
            "organization_personal_access_tokens",
            "organization_secrets",
            "organization_self_hosted_runners",
            "organization_user_blocking",
            "packages",
            "pages",
            "pull_requests",
            "repository_advisories",
            "repository_custom_properties",
            "repository_hooks",
            "secret_scanning_alerts",
            "secrets",
            "security_events",
            "single_file",
            "starring",
            "statuses",
            "vulnerability_alerts",
        ],
    ),
    (
        &[Level::Read, Level::Write, Level::Admin],
        &[
            "enterprise_custom_properties_for_organizations",
            "organization_custom_properties",
            "organization_projects",
            "repository_projects",
        ],
    ),
    (
        &[Level::Write],
        &["codespaces_secrets", "profile", "workflows"],
    ),
    (
        &[Level::Read],
        &[
            "codespaces_metadata",
            "organization_api_insights",
            "organization_events",
            "organization_plan",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_is_pointed_out_and_a_documented_name_is_not() {
        assert_eq!(odd(&"issues".parse().unwrap()), None);
        assert_eq!(
            odd(&"isues".parse().unwrap()).unwrap(),
            "GitHub documents no permission `isues` (did you mean `issues`?)"
        );
        assert_eq!(levels("workflows"), Some(&[Level::Write][..]));
    }
}
