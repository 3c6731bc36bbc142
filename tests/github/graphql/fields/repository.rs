//! Fields of a repository.

use super::super::super::objects::MADE;
use super::super::super::state::{Repository, State};
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::error::Refused;
use super::super::found::{Answered, Found, count, leaf, maybe, nothing, page};
use super::super::thing::Thing;
use super::{account_of, git, select};

pub(super) fn field(call: &Call<'_>, id: u64, name: &str, arguments: &Arguments) -> Answered {
    let state = call.state();
    let it = &state.repositories[&id];
    if let Some(found) = about(&state, it, name) {
        return Ok(Some(found));
    }
    let linked = || {
        let all = state.projects.values();
        all.filter(move |project| project.repositories.contains(&id))
    };
    Ok(Some(match name {
        "issue" | "pullRequest" | "issueOrPullRequest" => one_issue(&state, it, name, arguments)?,
        "issues" | "pullRequests" => select::issues(
            &state,
            state.issues_of(id),
            name == "pullRequests",
            arguments,
        ),
        "label" => {
            let wanted = arguments.demanded("name")?;
            let mut labels = it.labels.iter();
            let found = labels.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            maybe(found.map(|(_, label)| Thing::Label(id, label.id)))
        }
        "labels" => {
            let query = arguments.text("query").unwrap_or_default().to_lowercase();
            let labels = it.labels.iter();
            let labels = labels.filter(|(name, _)| name.to_lowercase().contains(&query));
            page(labels.map(|(_, label)| Thing::Label(id, label.id)))
        }
        "milestone" => {
            let found = arguments
                .number("number")
                .and_then(|number| it.milestone(number));
            maybe(found.map(|one| Thing::Milestone(id, one.id)))
        }
        "milestones" => page(it.milestones.iter().map(|one| Thing::Milestone(id, one.id))),
        "release" => {
            let wanted = arguments.demanded("tagName")?;
            let found = it.releases.iter().find(|release| release.tag == wanted);
            maybe(found.map(|release| Thing::Release(id, release.id)))
        }
        "latestRelease" => maybe(
            it.releases
                .last()
                .map(|release| Thing::Release(id, release.id)),
        ),
        "releases" => page(
            it.releases
                .iter()
                .rev()
                .map(|release| Thing::Release(id, release.id)),
        ),
        "defaultBranchRef" => maybe(it.qualified("HEAD").map(|name| Thing::Ref(id, name))),
        "ref" => {
            let wanted = arguments.demanded("qualifiedName")?;
            maybe(it.qualified(wanted).map(|name| Thing::Ref(id, name)))
        }
        "refs" => {
            let prefix = arguments.demanded("refPrefix")?;
            let query = arguments.text("query").unwrap_or_default();
            let refs = it.refs.keys();
            let refs = refs.filter(|name| name.starts_with(prefix) && name.contains(query));
            page(refs.map(|name| Thing::Ref(id, name.clone())))
        }
        "object" => maybe(git::object(it, arguments)),
        "projectV2" => {
            let number = arguments.number("number").unwrap_or_default();
            let found = linked().find(|project| project.number == number);
            let found = found.ok_or_else(|| no_project(number))?;
            Found::One(Thing::Project(found.id))
        }
        "projectsV2" | "recentProjects" => {
            let all = linked().map(|project| (project.number, project.id));
            select::projects(all.collect(), arguments)
        }
        _ => return Ok(None),
    }))
}

pub(super) fn no_project(number: u64) -> Refused {
    Refused::not_found(format!(
        "Could not resolve to a ProjectV2 with the number {number}."
    ))
}

/// What needs no arguments.
fn about(state: &State, it: &Repository, name: &str) -> Option<Found> {
    Some(match name {
        "databaseId" => leaf(it.id),
        "name" => leaf(it.name.as_str()),
        "nameWithOwner" => leaf(it.full_name()),
        "owner" => account_of(state, &it.owner),
        "sshUrl" => leaf(format!("git@github.com:{}.git", it.full_name())),
        "description" | "homepageUrl" | "mirrorUrl" | "archivedAt" => nothing(),
        "isPrivate" => leaf(it.private),
        "visibility" => leaf(if it.private { "PRIVATE" } else { "PUBLIC" }),
        "isFork" => leaf(it.fork_of.is_some()),
        "isInOrganization" => {
            let owner = state.account_named(&it.owner);
            leaf(owner.is_some_and(|owner| owner.members.is_some()))
        }
        "isEmpty" => leaf(it.commits.is_empty()),
        "hasIssuesEnabled"
        | "hasWikiEnabled"
        | "hasProjectsEnabled"
        | "forkingAllowed"
        | "mergeCommitAllowed"
        | "rebaseMergeAllowed"
        | "squashMergeAllowed"
        | "viewerCanAdminister"
        | "viewerCanCreateProjects" => leaf(true),
        "viewerPermission" => leaf("ADMIN"),
        "viewerDefaultMergeMethod" => leaf("MERGE"),
        "createdAt" | "updatedAt" | "pushedAt" => leaf(MADE),
        "parent" => {
            let parent = it.fork_of.filter(|id| state.repositories.contains_key(id));
            maybe(parent.map(Thing::Repository))
        }
        "forks" => page(forks(state, it).map(Thing::Repository)),
        "forkCount" => count(forks(state, it).count()),
        "assignableUsers" | "mentionableUsers" | "collaborators" => {
            page(workers(state, it).into_iter().map(Thing::Account))
        }
        "issueTemplates" | "pullRequestTemplates" => Found::Many(Vec::new()),
        "diskUsage" => leaf(1),
        _ => return None,
    })
}

fn forks(state: &State, it: &Repository) -> impl Iterator<Item = u64> {
    let of = it.id;
    let all = state.repositories.values();
    let forks = all.filter(move |one| one.fork_of == Some(of));
    forks.map(|one| one.id).collect::<Vec<_>>().into_iter()
}

/// Logins of those who may work on a repository.
fn workers(state: &State, it: &Repository) -> Vec<String> {
    let owner = state.account_named(&it.owner);
    let mut logins: Vec<String> = match owner.map(|owner| (&owner.login, &owner.members)) {
        Some((_, Some(members))) => members.iter().cloned().collect(),
        Some((login, None)) => vec![login.clone()],
        None => Vec::new(),
    };
    logins.extend(it.collaborators.keys().cloned());
    logins
}

fn one_issue(
    state: &State,
    it: &Repository,
    name: &str,
    arguments: &Arguments,
) -> Result<Found, Refused> {
    let number = arguments.number("number").unwrap_or_default();
    let found = state.issue_numbered(it.id, number);
    let found = found.filter(|issue| match name {
        "issue" => issue.pull.is_none(),
        "pullRequest" => issue.pull.is_some(),
        _ => true,
    });
    let wanted = match name {
        "issue" => "an Issue",
        "pullRequest" => "a PullRequest",
        _ => "an issue or pull request",
    };
    let found = found.ok_or_else(|| {
        Refused::not_found(format!(
            "Could not resolve to {wanted} with the number of {number}."
        ))
    })?;
    Ok(Found::One(Thing::Issue(found.id)))
}
