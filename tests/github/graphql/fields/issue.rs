//! Fields that issues and pull requests have in common, and those of comments.

use serde_json::json;

use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Answered, Found, leaf, maybe, nothing, page, time};
use super::super::thing::Thing;
use super::account_of;
use super::repository::no_project;

/// As GitHub lists them.
const REACTIONS: [&str; 8] = [
    "THUMBS_UP",
    "THUMBS_DOWN",
    "LAUGH",
    "HOORAY",
    "CONFUSED",
    "HEART",
    "ROCKET",
    "EYES",
];

pub(super) fn field(call: &Call<'_>, id: u64, name: &str, arguments: &Arguments) -> Answered {
    let state = call.state();
    let it = &state.issues[&id];
    let of = it.repository;
    let items = || {
        let all = state.projects.values();
        all.flat_map(move |project| {
            let about = project
                .items
                .iter()
                .filter(move |item| item.issue() == Some(id));
            about.map(|item| (project.id, item.id, project.number))
        })
    };
    Ok(Some(match name {
        "databaseId" => leaf(id),
        "fullDatabaseId" => leaf(id.to_string()),
        "number" => leaf(it.number),
        "title" | "titleHTML" => leaf(it.title.as_str()),
        "body" | "bodyText" | "bodyHTML" => leaf(it.body.clone().unwrap_or_default()),
        "author" => account_of(&state, &it.by),
        "authorAssociation" => leaf("MEMBER"),
        "createdAt" | "publishedAt" => time(it.at),
        "updatedAt" => time(it.updated),
        "closed" => leaf(it.closed.is_some()),
        "closedAt" => it
            .closed
            .as_ref()
            .map_or_else(nothing, |closed| time(closed.at)),
        "state" => leaf(it.state()),
        "stateReason" => leaf(json!(it.closed.as_ref().map(|closed| &closed.reason))),
        "locked" => leaf(it.locked),
        "repository" => Found::One(Thing::Repository(of)),
        "labels" => {
            let labels = state.repositories[&of].labels.values();
            let labels = labels.filter(|label| it.labels.contains(&label.id));
            page(labels.map(|label| Thing::Label(of, label.id)))
        }
        "assignees" => page(
            it.assignees
                .iter()
                .map(|login| Thing::Account(login.clone())),
        ),
        "participants" => {
            let mut logins = vec![it.by.clone()];
            logins.extend(state.comments_on(id).map(|comment| comment.by.clone()));
            logins.sort();
            logins.dedup();
            page(logins.into_iter().map(Thing::Account))
        }
        "milestone" => {
            let found = it
                .milestone
                .and_then(|number| state.repositories[&of].milestone(number));
            maybe(found.map(|one| Thing::Milestone(of, one.id)))
        }
        "comments" => page(
            state
                .comments_on(id)
                .map(|comment| Thing::Comment(comment.id)),
        ),
        "parent" => {
            let parent = it.parent.filter(|parent| state.issues.contains_key(parent));
            maybe(parent.map(Thing::Issue))
        }
        "subIssues" => page(parts(&state, id).into_iter().map(Thing::Issue)),
        "subIssuesSummary" => {
            let all = parts(&state, id);
            let done = all
                .iter()
                .filter(|part| state.issues[part].closed.is_some())
                .count();
            let fields = vec![
                ("total", leaf(all.len())),
                ("completed", leaf(done)),
                (
                    "percentCompleted",
                    leaf((done * 100).checked_div(all.len()).unwrap_or(0)),
                ),
            ];
            drop(state);
            Found::One(call.make("SubIssuesSummary", &Thing::Issue(id), name, fields))
        }
        "projectItems" => page(items().map(|(project, item, _)| Thing::Item(project, item))),
        "projectsV2" => page(items().map(|(project, ..)| Thing::Project(project))),
        "projectV2" => {
            let number = arguments.number("number").unwrap_or_default();
            let found = items().find(|(_, _, known)| *known == number);
            Found::One(Thing::Project(found.ok_or_else(|| no_project(number))?.0))
        }
        "reactionGroups" => {
            drop(state);
            let groups = REACTIONS.iter().map(|content| {
                let path = format!("{name} {content}");
                let fields = vec![
                    ("content", leaf(*content)),
                    ("subject", Found::One(Thing::Issue(id))),
                    ("createdAt", nothing()),
                ];
                Found::One(call.make("ReactionGroup", &Thing::Issue(id), &path, fields))
            });
            Found::Many(groups.collect())
        }
        "viewerCanUpdate" | "viewerCanClose" | "viewerCanReopen" | "viewerCanLabel" => leaf(true),
        "viewerDidAuthor" => leaf(it.by == call.login()),
        _ => return Ok(None),
    }))
}

fn parts(state: &super::super::super::state::State, whole: u64) -> Vec<u64> {
    let all = state.issues.values();
    all.filter(|issue| issue.parent == Some(whole))
        .map(|issue| issue.id)
        .collect()
}

pub(super) fn comment(call: &Call<'_>, id: u64, name: &str) -> Option<Found> {
    let state = call.state();
    let it = state.comments.get(&id)?;
    let on = &state.issues[&it.issue];
    Some(match name {
        "databaseId" => leaf(id),
        "fullDatabaseId" => leaf(id.to_string()),
        "body" | "bodyText" | "bodyHTML" => leaf(it.body.as_str()),
        "author" => account_of(&state, &it.by),
        "authorAssociation" => leaf("MEMBER"),
        "createdAt" | "publishedAt" | "updatedAt" => time(it.at),
        // For a pull request, too, GitHub has an issue here: it cannot be nothing.
        "issue" if on.pull.is_none() => Found::One(Thing::Issue(on.id)),
        "pullRequest" => maybe(on.pull.as_ref().map(|_| Thing::Issue(on.id))),
        "repository" => Found::One(Thing::Repository(on.repository)),
        "viewerDidAuthor" => leaf(it.by == call.login()),
        "viewerCanUpdate" | "viewerCanDelete" => leaf(true),
        "reactionGroups" => Found::Many(Vec::new()),
        _ => return None,
    })
}
