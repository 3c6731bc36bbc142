//! The cheapest read that needs a permission, for those where one is known.
//!
//! A read proves that a permission is there at all, never that it may write. Whether the call really
//! needed the permission is not taken from here but from the answer
//! ([`Accepted`](broker_github::accepted::Accepted)).
//!
//! Source: GitHub REST documentation, “Permissions required for fine-grained personal access tokens”.

use broker_protocol::names::RepoPattern;

/// The path of a read in `repository` that needs `permission`; `None` where none is known.
pub(super) fn path(permission: &str, repository: &RepoPattern) -> Option<String> {
    let (_, read) = READS.iter().find(|(name, _)| *name == permission)?;
    Some(format!("/repos/{repository}{read}"))
}

/// For repositories. What is declared for organisations or accounts cannot be tried without side effects
/// or without knowing more than a policy says.
const READS: &[(&str, &str)] = &[
    ("metadata", ""),
    ("contents", "/branches?per_page=1"),
    ("issues", "/issues?per_page=1"),
    ("pull_requests", "/pulls?per_page=1"),
    ("actions", "/actions/runs?per_page=1"),
    ("secrets", "/actions/secrets?per_page=1"),
    ("dependabot_secrets", "/dependabot/secrets?per_page=1"),
    ("deployments", "/deployments?per_page=1"),
    ("repository_hooks", "/hooks?per_page=1"),
    ("statuses", "/commits/HEAD/statuses?per_page=1"),
    ("administration", "/keys?per_page=1"),
    ("security_events", "/code-scanning/alerts?per_page=1"),
    (
        "secret_scanning_alerts",
        "/secret-scanning/alerts?per_page=1",
    ),
    ("vulnerability_alerts", "/dependabot/alerts?per_page=1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_a_path_in_the_repository() {
        let repository = "acme/site".parse().unwrap();
        assert_eq!(
            path("contents", &repository).as_deref(),
            Some("/repos/acme/site/branches?per_page=1")
        );
        assert_eq!(
            path("metadata", &repository).as_deref(),
            Some("/repos/acme/site")
        );
        assert_eq!(path("members", &repository), None);
        assert_eq!(path("workflows", &repository), None);
    }
}
