//! Scopes of classic tokens: which one contains which.
//!
//! GitHub reports a token's scopes without those that another one implies, and people write them down
//! either way. So two lists are compared by what they contain, never as text.
//!
//! Sources: GitHub documentation, “Scopes for OAuth apps”, for what it covers; the rest (`codespace`,
//! `copilot`, `audit_log`, `admin:enterprise`, network configurations) as the form for new tokens ticks
//! it. A scope that is not listed contains itself alone.

use std::collections::BTreeSet;

/// What a token carries, compared with what it was declared to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Declared, and not contained in what it carries.
    pub missing: Vec<String>,
    /// Carried, and not contained in what was declared. Without those that another excess scope
    /// contains.
    pub excess: Vec<String>,
    /// Declared hook scopes that it does not carry and whose access another scope gives all the same.
    pub hooks_through: Vec<HooksThrough>,
}

/// Access to repositories' webhooks that a token has without the scope for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksThrough {
    /// The declared scope, such as `write:repo_hook`.
    pub declared: String,
    /// The scope that gives the same: `repo` or `public_repo`.
    pub through: &'static str,
}

/// Compares what a token carries with what it was declared to carry.
#[must_use]
pub fn compare<'a>(
    carried: impl IntoIterator<Item = &'a str>,
    declared: impl IntoIterator<Item = &'a str>,
) -> Comparison {
    let carried = normalised(carried);
    let declared: BTreeSet<&str> = declared.into_iter().collect();
    let (has, may) = (
        closure(carried.iter().copied()),
        closure(declared.iter().copied()),
    );
    let mut comparison = Comparison::default();
    for scope in normalised(declared.iter().copied()) {
        if has.contains(scope) {
            continue;
        }
        match hooks_through(scope, &has) {
            Some(through) => comparison.hooks_through.push(HooksThrough {
                declared: scope.to_owned(),
                through,
            }),
            None => comparison.missing.push(scope.to_owned()),
        }
    }
    let excess = carried.iter().filter(|scope| !may.contains(*scope));
    comparison.excess = excess.map(|scope| (*scope).to_owned()).collect();
    comparison
}

/// These scopes and all that they contain.
#[must_use]
pub fn closure<'a>(scopes: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut open: Vec<&'a str> = scopes.into_iter().collect();
    while let Some(scope) = open.pop() {
        if all.insert(scope) {
            open.extend(contained(scope));
        }
    }
    all
}

/// These scopes without those that another one of them contains, as GitHub reports them.
#[must_use]
pub fn normalised<'a>(scopes: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let scopes: BTreeSet<&'a str> = scopes.into_iter().collect();
    let implied = |scope: &&str| {
        let mut others = scopes.iter().filter(|other| *other != scope);
        others.any(|other| closure([*other]).contains(*scope))
    };
    scopes
        .iter()
        .filter(|scope| !implied(scope))
        .copied()
        .collect()
}

/// `repo` and `public_repo` reach repositories' webhooks without any `…:repo_hook` in the list.
///
/// Source: GitHub documentation, “Scopes for OAuth apps”.
fn hooks_through(declared: &str, has: &BTreeSet<&str>) -> Option<&'static str> {
    if !["admin:repo_hook", "write:repo_hook", "read:repo_hook"].contains(&declared) {
        return None;
    }
    ["repo", "public_repo"]
        .into_iter()
        .find(|scope| has.contains(scope))
}

fn contained(scope: &str) -> &'static [&'static str] {
    let found = CONTAINS.iter().find(|(parent, _)| *parent == scope);
    found.map_or(&[], |(_, children)| children)
}

/// A scope, and those directly below it.
const CONTAINS: &[(&str, &[&str])] = &[
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
    ("admin:org", &["write:org", "manage_runners:org"]),
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
        &[
            "manage_runners:enterprise",
            "manage_billing:enterprise",
            "scim:enterprise",
        ],
    ),
    ("manage_billing:enterprise", &["read:enterprise"]),
    ("audit_log", &["read:audit_log"]),
    ("codespace", &["codespace:secrets"]),
    ("copilot", &["manage_billing:copilot"]),
    (
        "write:network_configurations",
        &["read:network_configurations"],
    ),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};

    fn compared(carried: &[&str], declared: &[&str]) -> (Vec<String>, Vec<String>) {
        let found = compare(carried.iter().copied(), declared.iter().copied());
        (found.missing, found.excess)
    }

    #[test]
    fn a_scope_that_another_one_contains_is_not_missing() {
        assert_eq!(
            compared(&["repo", "admin:org"], &["repo:status", "read:org"]).0,
            [""; 0]
        );
        assert_eq!(compared(&["write:org"], &["admin:org"]).0, ["admin:org"]);
    }

    #[test]
    fn workflow_is_no_part_of_repo() {
        assert_eq!(compared(&["repo"], &["repo", "workflow"]).0, ["workflow"]);
    }

    #[test]
    fn more_than_was_declared_is_excess_and_named_once() {
        let (missing, excess) = compared(
            &["repo", "repo:status", "gist", "read:org"],
            &["repo:status", "read:org"],
        );
        assert!(missing.is_empty());
        assert_eq!(excess, ["gist", "repo"]);
    }

    #[test]
    fn all_children_together_are_less_than_their_parent() {
        let parts = &[
            "repo:status",
            "repo_deployment",
            "public_repo",
            "repo:invite",
            "security_events",
        ];
        assert_eq!(compared(&["repo"], parts).1, ["repo"]);
        assert_eq!(compared(parts, &["repo"]).0, ["repo"]);
    }

    #[test]
    fn repo_reaches_hooks_without_the_scope_for_them() {
        let found = compare(["repo"], ["repo", "admin:repo_hook"]);
        assert!(found.missing.is_empty());
        let through = HooksThrough {
            declared: "admin:repo_hook".to_owned(),
            through: "repo",
        };
        assert_eq!(found.hooks_through, [through]);
        let organisation = compare(["repo"], ["admin:org_hook"]);
        assert_eq!(organisation.missing, ["admin:org_hook"]);
    }

    #[test]
    fn the_hierarchy_names_documented_scopes_only() {
        let names = closure(CONTAINS.iter().map(|(parent, _)| *parent));
        let list: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        let file = PolicyFile {
            name: "secrets.toml".to_owned(),
            text: format!(
                "[secret.all]\nkind = \"classic\"\nowner = \"a\"\nscopes = [{}]\n",
                list.join(", ")
            ),
        };
        let set = PolicySet::parse(&[file], &NamesOnly::default(), &Host::anywhere()).unwrap();
        assert!(set.warnings().is_empty(), "{:?}", set.warnings());
    }

    fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
        let all: Vec<&str> = closure(CONTAINS.iter().map(|(parent, _)| *parent))
            .into_iter()
            .chain(["workflow", "gist", "something:new"])
            .collect();
        prop::collection::vec(prop::sample::select(all), 0..8)
    }

    proptest! {
        #[test]
        fn what_github_drops_changes_nothing(carried in scopes(), declared in scopes()) {
            let whole = compare(carried.iter().copied(), declared.iter().copied());
            let as_reported = compare(normalised(carried.iter().copied()), declared.iter().copied());
            let spelled_out = compare(closure(carried.iter().copied()), closure(declared.iter().copied()));
            prop_assert_eq!(&whole, &as_reported);
            prop_assert_eq!(&whole, &spelled_out);
        }

        #[test]
        fn a_token_that_carries_what_is_declared_is_exact(scopes in scopes()) {
            let found = compare(scopes.iter().copied(), scopes.iter().copied());
            prop_assert_eq!(found, Comparison::default());
        }

        #[test]
        fn what_is_missing_one_way_is_excess_the_other_unless_it_is_about_hooks(
            left in scopes(), right in scopes()
        ) {
            let there = compare(left.iter().copied(), right.iter().copied());
            let back = compare(right.iter().copied(), left.iter().copied());
            let hooks = there.hooks_through.iter().map(|hook| hook.declared.clone());
            let mut missing: Vec<String> = there.missing.iter().cloned().chain(hooks).collect();
            missing.sort();
            prop_assert_eq!(missing, back.excess);
        }

        #[test]
        fn more_scopes_never_miss_more(carried in scopes(), more in scopes(), declared in scopes()) {
            let before = compare(carried.iter().copied(), declared.iter().copied());
            let after = compare(carried.iter().chain(&more).copied(), declared.iter().copied());
            prop_assert!(after.missing.iter().all(|scope| before.missing.contains(scope)));
        }
    }
}
