//! What a permission or a scope lets do: fine-grained levels, and the hierarchy of classic scopes. `broker-github`
//! has a list of scopes too: this one is written by itself, from the same documentation, because a stand-in that
//! used the code it tests would share its mistakes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How far a fine-grained permission goes; the higher contains the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// May read.
    Read,
    /// May change.
    Write,
    /// May administer.
    Admin,
}

impl Level {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads what the API writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

/// Permissions by name.
pub type Permissions = BTreeMap<String, Level>;

/// Whether `held` contains `name` at `level`. Metadata may always be read.
pub(crate) fn allows(held: &Permissions, name: &str, level: Level) -> bool {
    held.get(name).is_some_and(|held| *held >= level)
        || (name == "metadata" && level == Level::Read)
}

/// What a classic scope directly implies.
///
/// Source: GitHub documentation, “Scopes for OAuth apps”.
const IMPLIED: &[(&str, &[&str])] = &[
    (
        "repo",
        &[
            "repo:status",
            "repo_deployment",
            "public_repo",
            "repo:invite",
            "security_events",
        ],
    ),
    (
        "admin:org",
        &["write:org", "read:org", "manage_runners:org"],
    ),
    ("write:org", &["read:org"]),
    ("admin:public_key", &["write:public_key"]),
    ("write:public_key", &["read:public_key"]),
    ("admin:repo_hook", &["write:repo_hook"]),
    ("write:repo_hook", &["read:repo_hook"]),
    ("admin:gpg_key", &["write:gpg_key"]),
    ("write:gpg_key", &["read:gpg_key"]),
    ("admin:ssh_signing_key", &["write:ssh_signing_key"]),
    ("write:ssh_signing_key", &["read:ssh_signing_key"]),
    ("user", &["read:user", "user:email", "user:follow"]),
    ("project", &["read:project"]),
    ("write:packages", &["read:packages"]),
    ("write:discussion", &["read:discussion"]),
    (
        "admin:enterprise",
        &["manage_runners:enterprise", "manage_billing:enterprise"],
    ),
    ("manage_billing:enterprise", &["read:enterprise"]),
    ("audit_log", &["read:audit_log"]),
    ("codespace", &["codespace:secrets"]),
    ("copilot", &["manage_billing:copilot"]),
];

fn below(scope: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let children = IMPLIED.iter().find(|(parent, _)| *parent == scope);
    for child in children.map_or(&[][..], |(_, children)| children) {
        found.insert(*child);
        found.extend(below(child));
    }
    found
}

/// Whether these scopes contain this one.
pub(crate) fn scopes_allow(held: &BTreeSet<String>, scope: &str) -> bool {
    held.contains(scope) || held.iter().any(|held| below(held).contains(scope))
}

/// As the header has them: what another one implies is dropped.
pub(crate) fn normalised(scopes: &BTreeSet<String>) -> String {
    let kept = scopes.iter().filter(|scope| {
        !scopes
            .iter()
            .any(|other| below(other).contains(scope.as_str()))
    });
    kept.cloned().collect::<Vec<_>>().join(", ")
}
