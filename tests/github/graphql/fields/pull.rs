//! Fields that pull requests alone have, and those of reviews.

use serde_json::json;

use super::super::super::state::State;
use super::super::call::Call;
use super::super::found::{Answered, Found, count, leaf, maybe, nothing, page, time};
use super::super::thing::Thing;
use super::{account_of, git};

/// How far a pull request's branches are apart.
struct Difference {
    /// Ids of commits, the first first.
    commits: Vec<String>,
    /// Paths, with lines that came and went.
    files: Vec<(String, usize, usize)>,
}

pub(super) fn field(call: &Call<'_>, id: u64, name: &str) -> Answered {
    let state = call.state();
    let it = &state.issues[&id];
    let Some(pull) = &it.pull else {
        return Ok(None);
    };
    let of = it.repository;
    let (head, branch) = &pull.head;
    let there = state.repositories.get(head);
    let head_ref = there.and_then(|one| one.qualified(&format!("refs/heads/{branch}")));
    let base_ref = state.repositories[&of].qualified(&format!("refs/heads/{}", pull.base));
    let unknown = || leaf("0".repeat(40));
    let decision = || {
        let states = state.reviews_of(id).map(|review| review.state.as_str());
        states
            .filter(|state| ["APPROVED", "CHANGES_REQUESTED"].contains(state))
            .last()
    };
    Ok(Some(match name {
        "isDraft" => leaf(pull.draft),
        "baseRefName" => leaf(pull.base.as_str()),
        "headRefName" => leaf(branch.as_str()),
        "baseRef" => maybe(base_ref.map(|name| Thing::Ref(of, name))),
        "headRef" => maybe(head_ref.map(|name| Thing::Ref(*head, name))),
        "baseRefOid" => {
            let tip = state.repositories[&of].tip(&pull.base);
            tip.map_or_else(unknown, |oid| leaf(oid.as_str()))
        }
        "headRefOid" => match state.head_of(id) {
            oid if oid.is_empty() => unknown(),
            oid => leaf(oid),
        },
        "baseRepository" => Found::One(Thing::Repository(of)),
        "headRepository" => maybe(there.map(|one| Thing::Repository(one.id))),
        "headRepositoryOwner" => there.map_or_else(nothing, |one| account_of(&state, &one.owner)),
        "isCrossRepository" => leaf(*head != of),
        "maintainerCanModify" => leaf(*head != of),
        "merged" => leaf(pull.merged.is_some()),
        "mergedAt" => pull
            .merged
            .as_ref()
            .map_or_else(nothing, |merged| time(merged.at)),
        "mergedBy" => pull
            .merged
            .as_ref()
            .map_or_else(nothing, |merged| account_of(&state, &merged.by)),
        // What a merge would make, of the base's repository; without conflicts the base's tip stands for it.
        "potentialMergeCommit" => {
            let tip = state.repositories[&of].tip(&pull.base);
            maybe(tip.map(|oid| Thing::Commit(of, oid.as_str().to_owned())))
        }
        "mergeCommit" => {
            let merged = pull.merged.as_ref();
            maybe(merged.map(|merged| Thing::Commit(of, merged.commit.clone())))
        }
        "mergeable" => leaf("MERGEABLE"),
        "mergeStateStatus" => leaf("CLEAN"),
        "reviewDecision" => leaf(json!(decision())),
        "reviews" | "latestReviews" | "latestOpinionatedReviews" => {
            page(state.reviews_of(id).map(|review| Thing::Review(review.id)))
        }
        "reviewRequests" => {
            let logins: Vec<String> = pull.reviewers.iter().cloned().collect();
            drop(state);
            page(logins.into_iter().map(|login| {
                let path = format!("{name} {login}");
                let fields = vec![
                    ("requestedReviewer", Found::One(Thing::Account(login))),
                    ("pullRequest", Found::One(Thing::Issue(id))),
                ];
                call.make("ReviewRequest", &Thing::Issue(id), &path, fields)
            }))
        }
        "commits" => {
            let (commits, head) = (difference(&state, id).commits, *head);
            drop(state);
            page(commits.into_iter().map(|oid| {
                let path = format!("{name} {oid}");
                let fields = vec![
                    ("commit", Found::One(Thing::Commit(head, oid))),
                    ("pullRequest", Found::One(Thing::Issue(id))),
                ];
                call.make("PullRequestCommit", &Thing::Issue(id), &path, fields)
            }))
        }
        "files" => {
            let files = difference(&state, id).files;
            drop(state);
            page(files.into_iter().map(|(path, came, went)| {
                let fields = vec![
                    ("path", leaf(path.as_str())),
                    ("additions", count(came)),
                    ("deletions", count(went)),
                    ("changeType", leaf("MODIFIED")),
                ];
                call.make("PullRequestChangedFile", &Thing::Issue(id), &path, fields)
            }))
        }
        "changedFiles" => count(difference(&state, id).files.len()),
        "additions" => count(
            difference(&state, id)
                .files
                .iter()
                .map(|(_, came, _)| came)
                .sum(),
        ),
        "deletions" => count(
            difference(&state, id)
                .files
                .iter()
                .map(|(_, _, went)| went)
                .sum(),
        ),
        "totalCommentsCount" => count(state.comments_on(id).count()),
        "viewerCanDeleteHeadRef" | "viewerCanEditFiles" | "viewerCanMergeAsAdmin" => leaf(true),
        _ => return Ok(None),
    }))
}

fn difference(state: &State, id: u64) -> Difference {
    let issue = &state.issues[&id];
    let none = Difference {
        commits: Vec::new(),
        files: Vec::new(),
    };
    let Some(pull) = &issue.pull else { return none };
    let (head, branch) = &pull.head;
    let base = &state.repositories[&issue.repository];
    let base_tip = base.tip(&pull.base);
    let Some((head, tip)) = state
        .repositories
        .get(head)
        .and_then(|head| Some((head, head.tip(branch)?)))
    else {
        return none;
    };
    let known: Vec<&str> = base_tip
        .map(|oid| {
            base.history(oid)
                .iter()
                .map(|commit| commit.oid.as_str())
                .collect()
        })
        .unwrap_or_default();
    let mut commits: Vec<String> = head
        .history(tip)
        .iter()
        .map(|commit| commit.oid.clone())
        .filter(|oid| !known.contains(&oid.as_str()))
        .collect();
    commits.reverse();
    let before = base_tip.and_then(|oid| base.commits.get(oid));
    let files = git::difference(before, head.commits.get(tip));
    Difference { commits, files }
}

pub(super) fn review(call: &Call<'_>, id: u64, name: &str) -> Option<Found> {
    let state = call.state();
    let it = state.reviews.get(&id)?;
    let of = state.issues[&it.pull].repository;
    let known = state.repositories[&of].commits.contains_key(&it.commit);
    Some(match name {
        "databaseId" => leaf(id),
        "fullDatabaseId" => leaf(id.to_string()),
        "body" | "bodyText" | "bodyHTML" => leaf(it.body.as_str()),
        "state" => leaf(it.state.as_str()),
        "author" => account_of(&state, &it.by),
        "authorAssociation" => leaf("MEMBER"),
        "createdAt" | "publishedAt" | "updatedAt" | "submittedAt" => time(it.at),
        "pullRequest" => Found::One(Thing::Issue(it.pull)),
        "repository" => Found::One(Thing::Repository(of)),
        "commit" => maybe(known.then(|| Thing::Commit(of, it.commit.clone()))),
        "viewerDidAuthor" => leaf(it.by == call.login()),
        "reactionGroups" => Found::Many(Vec::new()),
        _ => return None,
    })
}
