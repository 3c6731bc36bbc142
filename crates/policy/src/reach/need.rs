//! What one operation needs, and what of that the terms of a lease do not hold.

use std::fmt;

use broker_protocol::names::{Level, OrgName, PermissionName, Permissions, RepoPattern};

use super::said::Needed;
use super::table::Match;
use super::{Operation, Refusal, Scope, Why};
use crate::parts::{organization_beyond, permission_beyond, repository_beyond};

/// What one operation needs of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    operation: Operation,
    /// The repository, or all of an owner's, that its permissions on repositories are for; `None`: it is
    /// about an organisation alone, or about nothing.
    repositories: Option<RepoPattern>,
    /// The organisation that its permissions on organisations are for.
    organization: Option<OrgName>,
    /// Sets of permissions, any one of which suffices. None at all: reaching the repositories does.
    any: Vec<Permissions>,
    /// Whether it needs no permission because `paths` lists it.
    listed: bool,
}

impl Need {
    /// What an operation needs that a path means, under a purpose with these `paths`.
    pub(super) fn of(found: &Match, paths: &[Operation]) -> Result<Self, Refusal> {
        let listed = paths.contains(&found.operation);
        match Self::documented(found) {
            Ok(need) if listed => Ok(Self {
                any: Vec::new(),
                listed,
                ..need
            }),
            Err(Refusal::Operation { .. }) if listed => Self::listed(found),
            other => other,
        }
    }

    /// What it needs as the table has it.
    fn documented(found: &Match) -> Result<Self, Refusal> {
        let operation = found.operation;
        let refused = |why| Refusal::Operation { operation, why };
        let Needed {
            any,
            on_repositories,
            on_organization,
        } = found.said.needed().map_err(refused)?;
        // `compare/main...other:main` is about two repositories.
        if found
            .value("basehead")
            .is_some_and(|value| value.contains(':'))
        {
            return Err(refused(Why::OtherRepository));
        }
        let owner = found.value("org").or_else(|| found.value("username"));
        let repositories = match (repository(found)?, owner) {
            (None, Some(owner)) => Some(pattern(found, owner, "*")?),
            (repository, _) => repository,
        };
        let repositories = repositories.filter(|_| on_repositories);
        let organization = organization(found)?.filter(|_| on_organization);
        if repositories.is_some() != on_repositories || organization.is_some() != on_organization {
            return Err(refused(Why::New));
        }
        Ok(Self {
            operation,
            repositories,
            organization,
            any,
            listed: false,
        })
    }

    /// What it needs where `paths` lists it and the table refuses it: what its path names.
    pub(super) fn listed(found: &Match) -> Result<Self, Refusal> {
        Ok(Self {
            operation: found.operation,
            repositories: repository(found)?,
            organization: organization(found)?,
            any: Vec::new(),
            listed: true,
        })
    }

    /// The operation.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The first thing that is not in this scope, in words such as “repository `acme/other`; the
    /// lease allows `acme/site`”. `whose` scope it is: “the lease”, “the rule”.
    #[must_use]
    pub fn beyond(&self, scope: &Scope<'_>, whose: &str) -> Option<String> {
        let repositories = self.repositories.as_slice();
        repository_beyond(repositories, scope.repositories, whose)
            .or_else(|| {
                let organization = self.organization.as_ref()?;
                organization_beyond(organization, scope.organization, whose)
            })
            .or_else(|| missing(&self.any, scope.permissions, whose))
    }
}

/// The first permission that is missing, in words, where none of these sets is there, and the line that gives it.
pub(super) fn missing(any: &[Permissions], has: &Permissions, whose: &str) -> Option<String> {
    let any: Vec<_> = any.iter().map(without_metadata).collect();
    let beyond = any.iter().map(|set| permission_beyond(set, has, whose));
    let beyond = beyond.collect::<Option<Vec<_>>>()?.into_iter().next()?;
    let line = |set: &Permissions| {
        let pairs = set.iter();
        let pairs = pairs.map(|(name, level)| format!("{name} = \"{}\"", level.as_str()));
        format!("`{}`", pairs.collect::<Vec<_>>().join(", "))
    };
    let lines: Vec<_> = any.iter().map(line).collect();
    let lines = lines.join(" or ");
    Some(format!(
        "{beyond}; to allow it, add {lines} to `permissions` of the purpose (and to `--permission`, where given)"
    ))
}

/// The repository that a path names.
fn repository(found: &Match) -> Result<Option<RepoPattern>, Refusal> {
    let names = [("owner", "repo"), ("template_owner", "template_repo")];
    let mut named = names
        .into_iter()
        .filter_map(|(owner, repo)| Some((found.value(owner)?, found.value(repo)?)));
    let Some((owner, repo)) = named.next() else {
        return Ok(None);
    };
    let repository = pattern(found, owner, repo)?;
    if repository.name().is_none() {
        return Err(unnamed(found));
    }
    Ok(Some(repository))
}

/// The organisation that a path names.
fn organization(found: &Match) -> Result<Option<OrgName>, Refusal> {
    let parse = |name: &str| name.parse().map_err(|_not_a_name| unnamed(found));
    found.value("org").map(parse).transpose()
}

fn pattern(found: &Match, owner: &str, name: &str) -> Result<RepoPattern, Refusal> {
    let parsed = format!("{owner}/{name}").parse();
    parsed.map_err(|_not_a_name| unnamed(found))
}

const fn unnamed(found: &Match) -> Refusal {
    Refusal::Name {
        operation: found.operation,
    }
}

/// Every permission on a repository brings `metadata: read` with it, so a lease that reaches the
/// repository has it.
///
/// Source: GitHub documentation, “Permissions required for fine-grained personal access tokens”.
fn without_metadata(set: &Permissions) -> Permissions {
    let implied =
        |name: &PermissionName, level: Level| name.as_str() == "metadata" && level == Level::Read;
    let kept = set.iter().filter(|(name, level)| !implied(name, **level));
    kept.map(|(name, level)| (name.clone(), *level)).collect()
}

/// `GET /repos/{owner}/{repo}/labels needs issues: read or pull_requests: read on acme/site`
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |set: &Permissions| {
            let pairs = set.iter().map(|(name, level)| format!("{name}: {level}"));
            pairs.collect::<Vec<_>>().join(" and ")
        };
        let any: Vec<_> = self.any.iter().map(set).collect();
        let on: Vec<_> = [
            self.repositories.as_ref().map(RepoPattern::as_str),
            self.organization.as_ref().map(OrgName::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        let operation = self.operation;
        match (any.as_slice(), on.as_slice()) {
            ([], []) if self.listed => write!(f, "`paths` lists {operation}"),
            ([], on) if self.listed => {
                write!(f, "`paths` lists {operation}, on {}", on.join(" and "))
            }
            ([], []) => write!(f, "{operation} needs nothing"),
            ([], on) => write!(f, "{operation} needs {}", on.join(" and ")),
            (any, on) => {
                let (any, on) = (any.join(", or "), on.join(" and "));
                write!(f, "{operation} needs {any} on {on}")
            }
        }
    }
}
