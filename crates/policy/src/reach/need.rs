//! What one operation needs, and what of that the terms of a lease do not hold.

use std::fmt;

use broker_protocol::names::{Level, OrgName, PermissionName, Permissions, RepoPattern};

use super::table::Match;
use super::{Operation, Refusal, Why};
use crate::known::is_of_organization;
use crate::parts::{organization_beyond, permission_beyond, repository_beyond};
use crate::request::Terms;

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
}

impl Need {
    /// What an operation needs that a path means.
    pub(super) fn of(found: Match) -> Result<Self, Refusal> {
        let operation = found.operation;
        let need = found.need.trim_start_matches('^');
        let (whole, need) = match need.strip_prefix('*') {
            Some(need) => (true, need),
            None => (false, need),
        };
        if let Some(reason) = need.strip_prefix('-') {
            let why = Why::parse(reason);
            return Err(Refusal::Operation { operation, why });
        }
        // `compare/main...other:main` is about two repositories.
        if found
            .value("basehead")
            .is_some_and(|value| value.contains(':'))
        {
            let why = Why::OtherRepository;
            return Err(Refusal::Operation { operation, why });
        }
        let named = || Refusal::Name { operation };
        let (org, user) = (found.value("org"), found.value("username"));
        let repositories = match (found.value("owner"), found.value("repo")) {
            (Some(owner), Some(repo)) => Some(repository(owner, repo).ok_or_else(named)?),
            _ => match org.or(user) {
                Some(owner) => Some(pattern(owner, "*").ok_or_else(named)?),
                None => None,
            },
        };
        let organization = match org {
            Some(org) => Some(org.parse().map_err(|_unnamed| named())?),
            None => None,
        };
        let new = Refusal::Operation {
            operation,
            why: Why::New,
        };
        let any = match need {
            "free" | "owner" => Vec::new(),
            sets => self::sets(sets).ok_or_else(|| new.clone())?,
        };
        let names = || any.iter().flat_map(Permissions::keys);
        let on_repositories =
            whole || need == "owner" || names().any(|name| !is_of_organization(name));
        let on_organization = names().any(is_of_organization);
        let repositories = repositories.filter(|_| on_repositories);
        let organization = organization.filter(|_| on_organization);
        if repositories.is_some() != on_repositories || organization.is_some() != on_organization {
            return Err(new);
        }
        Ok(Self {
            operation,
            repositories,
            organization,
            any,
        })
    }

    /// The operation.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The first thing that these terms do not hold, in words such as “repository `acme/other`; the
    /// lease allows `acme/site`”. `whose` terms they are: “the lease”, “the rule”.
    #[must_use]
    pub fn beyond(&self, terms: &Terms, whose: &str) -> Option<String> {
        let repositories = self.repositories.as_slice();
        repository_beyond(repositories, &terms.repositories, whose)
            .or_else(|| {
                let organization = self.organization.as_ref()?;
                organization_beyond(organization, terms.organization.as_ref(), whose)
            })
            .or_else(|| {
                let beyond =
                    |set| permission_beyond(&without_metadata(set), &terms.permissions, whose);
                let beyond = self.any.iter().map(beyond).collect::<Option<Vec<_>>>()?;
                beyond.into_iter().next()
            })
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

/// `issues=read|pull_requests=read`, and commas where all are needed; `None` if it is anything else.
fn sets(need: &str) -> Option<Vec<Permissions>> {
    let pair = |pair: &str| {
        let (name, level) = pair.split_once('=')?;
        Some((name.parse().ok()?, level.parse().ok()?))
    };
    let set = |set: &str| set.split(',').map(pair).collect::<Option<Permissions>>();
    need.split('|').map(set).collect()
}

fn repository(owner: &str, name: &str) -> Option<RepoPattern> {
    pattern(owner, name).filter(|pattern| pattern.name().is_some())
}

fn pattern(owner: &str, name: &str) -> Option<RepoPattern> {
    format!("{owner}/{name}").parse().ok()
}

impl Why {
    fn parse(reason: &str) -> Self {
        match reason {
            "other" => Self::OtherRepository,
            "number" => Self::Number,
            "credential" => Self::Credential,
            "beyond" => Self::Beyond,
            "none" => Self::NoPermission,
            _ => Self::New,
        }
    }
}

/// `GET /repos/{owner}/{repo}/labels needs issues: read or pull_requests: read on acme/site`
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |set: &Permissions| {
            let pairs = set.iter().map(|(name, level)| format!("{name}: {level}"));
            pairs.collect::<Vec<_>>().join(" and ")
        };
        write!(f, "{} needs ", self.operation)?;
        let any: Vec<_> = self.any.iter().map(set).collect();
        let on: Vec<_> = [
            self.repositories.as_ref().map(RepoPattern::as_str),
            self.organization.as_ref().map(OrgName::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        match (any.as_slice(), on.as_slice()) {
            ([], []) => f.write_str("nothing"),
            ([], on) => f.write_str(&on.join(" and ")),
            (any, on) => write!(f, "{} on {}", any.join(", or "), on.join(" and ")),
        }
    }
}
