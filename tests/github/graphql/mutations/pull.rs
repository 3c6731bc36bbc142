//! Pull requests and their reviews.

use super::super::super::git::NewCommit;
use super::super::super::issues::{Merged, Pull};
use super::super::access::Make;
use super::super::error::Refused;
use super::super::found::{Found, leaf, nothing};
use super::super::thing::Thing;
use super::issue::{Wish, set_closed};
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createPullRequest" => create(run)?,
        "updatePullRequest" => update(run)?,
        "closePullRequest" | "reopenPullRequest" => close(run)?,
        "mergePullRequest" => merge(run)?,
        "markPullRequestReadyForReview" | "convertPullRequestToDraft" => draft(run)?,
        "addPullRequestReview" | "submitPullRequestReview" => review(run)?,
        "requestReviews" => request_reviews(run)?,
        _ => return Ok(None),
    }))
}

fn one(id: u64) -> Payload {
    vec![("pullRequest", Found::One(Thing::Issue(id)))]
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let (call, input) = (run.call, &run.input);
    let repository = run.repository("repositoryId")?;
    call.state().may_make(call.who, repository, Make::Pull)?;
    let wish = Wish::of(run, repository)?;
    let (head, branch) = head(run, repository)?;
    let base = input.demanded("baseRefName")?.to_owned();
    check(run, repository, (head, &branch), &base)?;
    let title = input.demanded("title")?.to_owned();
    let draft = input.flag("draft") == Some(true);
    let by = call.login();
    let id = call.change(|state| {
        // `git` pushed it, by a way that is not seen here.
        state.push_if_new(head, &branch, &by);
        let id = state.open_issue(repository, &title, &by);
        state.issue_mut(id).pull = Some(Pull {
            base,
            head: (head, branch),
            draft,
            merged: None,
            reviewers: std::collections::BTreeSet::new(),
        });
        id
    });
    wish.apply(run, id);
    run.changed(&Thing::Issue(id));
    Ok(one(id))
}

/// The repository and the branch that the pull request is to come from.
fn head(run: &Run<'_, '_>, base: u64) -> Result<(u64, String), Refused> {
    let name = run.input.demanded("headRefName")?;
    if run.input.text("headRepositoryId").is_some() {
        let branch = name.split_once(':').map_or(name, |(_, branch)| branch);
        return Ok((run.repository("headRepositoryId")?, branch.to_owned()));
    }
    let state = run.call.state();
    let found = state.head_named(base, name);
    let found = found.filter(|(id, _)| state.sees(run.call.who, &Thing::Repository(*id)));
    found.ok_or_else(|| {
        Refused::unprocessable("Head sha can't be blank, Head repository can't be blank")
    })
}

fn check(
    run: &Run<'_, '_>,
    repository: u64,
    (head, branch): (u64, &str),
    base: &str,
) -> Result<(), Refused> {
    let state = run.call.state();
    let into = &state.repositories[&repository];
    if into.tip(base).is_none() {
        return Err(Refused::unprocessable(
            "Base sha can't be blank, Base ref must be a branch",
        ));
    }
    if repository == head && branch == base {
        let message = format!("No commits between {base} and {branch}");
        return Err(Refused::unprocessable(message));
    }
    let known = state.issues_of(repository).any(|issue| {
        let pull = issue.pull.as_ref();
        issue.closed.is_none()
            && pull.is_some_and(|pull| pull.base == base && pull.head == (head, branch.to_owned()))
    });
    match known {
        true => {
            let owner = &state.repositories[&head].owner;
            let message = format!("A pull request already exists for {owner}:{branch}.");
            Err(Refused::unprocessable(message))
        }
        false => Ok(()),
    }
}

fn update(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.pull("pullRequestId")?;
    let repository = run.call.state().issues[&id].repository;
    let wish = Wish::of(run, repository)?;
    let base = run.input.text("baseRefName").map(str::to_owned);
    if let Some(base) = &base
        && run.call.state().repositories[&repository]
            .tip(base)
            .is_none()
    {
        return Err(Refused::unprocessable("Base ref must be a branch"));
    }
    run.changed(&Thing::Issue(id));
    wish.apply(run, id);
    run.call.change(|state| {
        if let (Some(base), Some(pull)) = (base, &mut state.issue_mut(id).pull) {
            pull.base = base;
        }
    });
    match run.input.text("state") {
        Some("CLOSED") => set_closed(run, id, Some("COMPLETED")),
        Some(_) => set_closed(run, id, None),
        None => {}
    }
    Ok(one(id))
}

fn close(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.pull("pullRequestId")?;
    if run.call.state().issues[&id].state() == "MERGED" {
        return Err(Refused::unprocessable("Pull request is already merged"));
    }
    run.changed(&Thing::Issue(id));
    let closes = run.name == "closePullRequest";
    set_closed(run, id, closes.then_some("COMPLETED"));
    Ok(one(id))
}

fn merge(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let (call, input) = (run.call, &run.input);
    let id = run.pull("pullRequestId")?;
    let (repository, number, pull) = {
        let state = call.state();
        let issue = &state.issues[&id];
        state.may_make(call.who, issue.repository, Make::Content)?;
        if issue.state() != "OPEN" {
            return Err(Refused::unprocessable("Pull Request is not mergeable"));
        }
        let wanted = input.text("expectedHeadOid");
        if wanted.is_some_and(|oid| oid != state.head_of(id)) {
            return Err(Refused::unprocessable(
                "Head branch was modified. Review and try the merge again.",
            ));
        }
        let pull = issue.pull.clone();
        (
            issue.repository,
            issue.number,
            pull.ok_or_else(|| run.unfit("pullRequestId"))?,
        )
    };
    run.changed(&Thing::Issue(id));
    run.changed(&Thing::Ref(repository, format!("refs/heads/{}", pull.base)));
    let headline = format!("Merge pull request #{number} from {}", pull.head.1);
    let headline = input.text("commitHeadline").unwrap_or(&headline).to_owned();
    let by = call.login();
    call.change(|state| {
        let at = state.clock.now();
        let there = state.repositories.get(&pull.head.0);
        let tip = there.and_then(|there| there.commits.get(there.tip(&pull.head.1)?));
        let files = tip.map(|commit| commit.files.clone());
        let into = state
            .repositories
            .get_mut(&repository)
            .expect("it was just found");
        let mut all = into.files.clone();
        all.extend(files.unwrap_or_default());
        let new = NewCommit {
            message: &headline,
            by: &by,
            at,
            files: all,
        };
        let commit = into.commit(&pull.base, new);
        let issue = state.issue_mut(id);
        issue.close("COMPLETED", at);
        if let Some(pull) = &mut issue.pull {
            pull.merged = Some(Merged { at, by, commit });
        }
    });
    Ok(one(id))
}

fn draft(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.pull("pullRequestId")?;
    run.changed(&Thing::Issue(id));
    run.call.change(|state| {
        if let Some(pull) = &mut state.issue_mut(id).pull {
            pull.draft = run.name == "convertPullRequestToDraft";
        }
    });
    Ok(one(id))
}

fn review(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["comments", "threads", "pullRequestReviewId"])?;
    let call = run.call;
    let id = run.pull("pullRequestId")?;
    let by = call.login();
    let body = run.input.text("body").unwrap_or_default();
    let state = match run.input.text("event") {
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some("COMMENT") => "COMMENTED",
        Some(_) => "DISMISSED",
        None => "PENDING",
    };
    let own = call.state().issues[&id].by == by;
    if own && ["APPROVED", "CHANGES_REQUESTED"].contains(&state) {
        let what = if state == "APPROVED" {
            "approve"
        } else {
            "request changes on"
        };
        let message = format!("Can not {what} your own pull request");
        return Err(Refused::unprocessable(message));
    }
    let review = Thing::Review(call.change(|changed| changed.review(id, &by, state, body)));
    run.changed(&review);
    let fields = vec![
        ("node", Found::One(review.clone())),
        ("cursor", leaf("Y3Vyc29y")),
    ];
    let edge = call.make("PullRequestReviewEdge", &Thing::Issue(id), run.name, fields);
    Ok(vec![
        ("pullRequestReview", Found::One(review)),
        ("reviewEdge", Found::One(edge)),
    ])
}

fn request_reviews(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["teamIds"])?;
    let id = run.pull("pullRequestId")?;
    let logins = run.accounts("userIds")?.unwrap_or_default();
    run.changed(&Thing::Issue(id));
    let adds = run.input.flag("union") == Some(true);
    run.call.change(|state| {
        if let Some(pull) = &mut state.issue_mut(id).pull {
            match adds {
                true => pull.reviewers.extend(logins),
                false => pull.reviewers = logins,
            }
        }
    });
    let mut fields = one(id);
    fields.push(("requestedReviewersEdge", nothing()));
    Ok(fields)
}
