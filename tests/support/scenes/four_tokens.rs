//! The four tokens of the system that there was before.

/// What the first system's four tokens are meant to be.
pub const SYSTEM: &str = r#"
[secret.org-label-sync-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow"]

[secret.org-project-admin-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["project", "read:org"]

[secret.org-onboarding-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow", "admin:org"]

[secret.org-repo-analysis-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo:status", "read:org"]
"#;

/// Their names.
pub const NAMES: [&str; 4] = [
    "org-label-sync-token",
    "org-onboarding-token",
    "org-project-admin-token",
    "org-repo-analysis-token",
];
