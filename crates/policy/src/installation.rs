//! What GitHub can mint one installation token for.
//!
//! The same question is asked of a purpose, of each of its rules, and of every request: what passes
//! here is one installation's, and never wider at GitHub than it reads.
//!
//! The last is not a matter of course. GitHub takes a token without a list of repositories to mean
//! all of the installation's; so a request that names none gets no permission that is about repositories.

use std::collections::BTreeSet;

use broker_protocol::names::{OrgName, PermissionName, RepoPattern};

use super::known;
use super::request::Terms;

/// How many repositories can be named when a token is minted.
///
/// Source: GitHub REST documentation, “Generating an installation access token for a GitHub App”.
pub(super) const MOST_REPOSITORIES: usize = 500;

/// Why no token can be minted for these terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmintable {
    /// The key of the purpose that it is about.
    pub(super) key: &'static str,
    /// In words, for authors and callers.
    pub(super) what: String,
}

/// The first thing that GitHub cannot mint, or would mint wider than these terms read.
pub(super) fn unmintable(terms: &Terms) -> Option<Unmintable> {
    let about = |key| move |what| Unmintable { key, what };
    let repositories = one_owner(terms).or_else(|| too_many(&terms.repositories));
    repositories.map(about("repositories")).or_else(|| {
        let mut names = terms.permissions.keys();
        let astray = names.find_map(|name| astray(name, terms));
        let permissions = astray.or_else(|| wrong_level(terms));
        permissions.map(about("permissions"))
    })
}

/// An App is installed on one account, and a token belongs to one installation.
fn one_owner(terms: &Terms) -> Option<String> {
    let repositories = terms.repositories.iter().map(RepoPattern::owner);
    let organization = terms.organization.as_ref().map(OrgName::as_str);
    let owners: BTreeSet<&str> = repositories.chain(organization).collect();
    let mut owners = owners.into_iter();
    let (first, second) = (owners.next()?, owners.next()?);
    Some(format!(
        "`{first}` and `{second}` are two owners, and an installation token is for one: make it two \
         purposes"
    ))
}

fn too_many(repositories: &[RepoPattern]) -> Option<String> {
    let named = repositories.len();
    let all = repositories.iter().any(|one| one.name().is_none());
    (!all && named > MOST_REPOSITORIES).then(|| {
        let owner = repositories.first().map_or("owner", RepoPattern::owner);
        format!(
            "{named} repositories by name; GitHub takes at most {MOST_REPOSITORIES} for a token, or \
             all of them, `{owner}/*`"
        )
    })
}

/// A permission whose subject these terms do not name.
fn astray(name: &PermissionName, terms: &Terms) -> Option<String> {
    let of_organization = known::is_of_organization(name);
    if of_organization && terms.organization.is_none() {
        return Some(format!(
            "permission `{name}` is about an organisation, and no `organization` is named"
        ));
    }
    (!of_organization && terms.repositories.is_empty()).then(|| {
        format!(
            "permission `{name}` is about repositories, and none is named: GitHub would take that as \
             all of them"
        )
    })
}

/// A request may ask for less than its rule gives, and so for a level that does not exist.
fn wrong_level(terms: &Terms) -> Option<String> {
    let mut permissions = terms.permissions.iter();
    permissions.find_map(|(name, level)| {
        let wrong = known::wrong_level(name, *level)?;
        Some(format!("permission `{name}: {}`; {wrong}", level.as_str()))
    })
}
