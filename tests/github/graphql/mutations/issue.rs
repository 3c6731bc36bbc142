//! Issues, and what is the same for pull requests: comments, labels, assignees.

use std::collections::BTreeSet;

use super::super::access::Make;
use super::super::error::Refused;
use super::super::found::{Found, leaf, nothing};
use super::super::thing::Thing;
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createIssue" => create(run)?,
        "updateIssue" => update(run)?,
        "closeIssue" => close(run)?,
        "reopenIssue" => reopen(run)?,
        "deleteIssue" => delete(run)?,
        "transferIssue" => transfer(run)?,
        "addSubIssue" | "removeSubIssue" => sub_issue(run)?,
        "addComment" => comment(run)?,
        "updateIssueComment" | "deleteIssueComment" => change_comment(run)?,
        "addLabelsToLabelable" | "removeLabelsFromLabelable" | "clearLabelsFromLabelable" => {
            label(run)?
        }
        "addAssigneesToAssignable" | "removeAssigneesFromAssignable" => assign(run)?,
        "lockLockable" | "unlockLockable" => lock(run)?,
        _ => return Ok(None),
    }))
}

/// What an issue or a pull request is to be like; what is not given stays.
pub(super) struct Wish {
    title: Option<String>,
    body: Option<String>,
    labels: Option<BTreeSet<u64>>,
    assignees: Option<BTreeSet<String>>,
    milestone: Option<Option<u64>>,
}

impl Wish {
    pub(super) fn of(run: &Run<'_, '_>, repository: u64) -> Result<Self, Refused> {
        run.refuse(&["projectIds"])?;
        let title = run.input.text("title");
        if title.is_some_and(|title| title.trim().is_empty()) {
            return Err(Refused::unprocessable("Title can't be blank"));
        }
        let milestone = match run.input.text("milestoneId") {
            None => run.input.has("milestoneId").then_some(None),
            Some(id) => match run.call.node(id)? {
                Thing::Milestone(of, milestone) if of == repository => {
                    let state = run.call.state();
                    let mut all = state.repositories[&of].milestones.iter();
                    Some(all.find(|one| one.id == milestone).map(|one| one.number))
                }
                _ => return Err(Refused::no_node(id)),
            },
        };
        Ok(Self {
            title: title.map(str::to_owned),
            body: run.input.text("body").map(str::to_owned),
            labels: run.labels("labelIds", repository)?,
            assignees: run.accounts("assigneeIds")?,
            milestone,
        })
    }

    pub(super) fn apply(self, run: &Run<'_, '_>, id: u64) {
        run.call.change(|state| {
            let now = state.clock.now();
            let issue = state.issue_mut(id);
            issue.updated = now;
            if let Some(title) = self.title {
                issue.title = title;
            }
            if let Some(body) = self.body {
                issue.body = Some(body);
            }
            if let Some(labels) = self.labels {
                issue.labels = labels;
            }
            if let Some(assignees) = self.assignees {
                issue.assignees = assignees;
            }
            if let Some(milestone) = self.milestone {
                issue.milestone = milestone;
            }
        });
    }
}

fn one(field: &'static str, id: u64) -> Payload {
    vec![(field, Found::One(Thing::Issue(id)))]
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let call = run.call;
    let repository = run.repository("repositoryId")?;
    call.state().may_make(call.who, repository, Make::Issue)?;
    let wish = Wish::of(run, repository)?;
    let parent = match run.input.text("parentIssueId") {
        Some(_) => Some(run.issue("parentIssueId")?),
        None => None,
    };
    let title = run.input.demanded("title")?.to_owned();
    let by = call.login();
    let id = call.change(|state| state.open_issue(repository, &title, &by));
    wish.apply(run, id);
    call.change(|state| state.issue_mut(id).parent = parent);
    run.changed(&Thing::Issue(id));
    if let Some(parent) = parent {
        run.changed(&Thing::Issue(parent));
    }
    Ok(one("issue", id))
}

/// One that is no pull request.
fn plain(run: &Run<'_, '_>, field: &str) -> Result<u64, Refused> {
    let id = run.issue(field)?;
    match run.call.state().issues[&id].pull.is_none() {
        true => Ok(id),
        false => Err(run.unfit(field)),
    }
}

fn update(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = plain(run, "id")?;
    let repository = run.call.state().issues[&id].repository;
    let wish = Wish::of(run, repository)?;
    run.changed(&Thing::Issue(id));
    wish.apply(run, id);
    match run.input.text("state") {
        Some("CLOSED") => set_closed(run, id, Some("COMPLETED")),
        Some(_) => set_closed(run, id, None),
        None => {}
    }
    Ok(one("issue", id))
}

fn close(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["duplicateIssueId"])?;
    let id = plain(run, "issueId")?;
    run.changed(&Thing::Issue(id));
    let reason = run.input.text("stateReason").unwrap_or("COMPLETED");
    set_closed(run, id, Some(reason));
    Ok(one("issue", id))
}

fn reopen(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = plain(run, "issueId")?;
    run.changed(&Thing::Issue(id));
    set_closed(run, id, None);
    Ok(one("issue", id))
}

pub(super) fn set_closed(run: &Run<'_, '_>, id: u64, reason: Option<&str>) {
    run.call.change(|state| {
        let now = state.clock.now();
        let issue = state.issue_mut(id);
        issue.updated = now;
        match reason {
            Some(reason) => issue.close(reason, now),
            None => issue.closed = None,
        }
    });
}

fn delete(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = plain(run, "issueId")?;
    let repository = run.call.state().issues[&id].repository;
    run.changed(&Thing::Issue(id));
    run.call.change(|state| state.forget_issue(id));
    Ok(vec![(
        "repository",
        Found::One(Thing::Repository(repository)),
    )])
}

fn transfer(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = plain(run, "issueId")?;
    let to = run.repository("repositoryId")?;
    run.call.state().may_make(run.call.who, to, Make::Issue)?;
    run.changed(&Thing::Issue(id));
    run.call.change(|state| {
        let issue = &state.issues[&id];
        let from = state.repositories[&issue.repository].full_name();
        let place = format!("{from}#{}", issue.number);
        let to = state.repositories[&to].full_name();
        state.move_issue(&place, &to);
    });
    run.changed(&Thing::Issue(id));
    Ok(one("issue", id))
}

fn sub_issue(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["subIssueUrl"])?;
    let (whole, part) = (plain(run, "issueId")?, plain(run, "subIssueId")?);
    let adds = run.name == "addSubIssue";
    let known = run.call.state().issues[&part].parent;
    if adds && known.is_some() && run.input.flag("replaceParent") != Some(true) {
        return Err(Refused::unprocessable("Sub issue may only have one parent"));
    }
    if adds && whole == part {
        return Err(Refused::unprocessable("An issue is no part of itself"));
    }
    run.changed(&Thing::Issue(whole));
    run.changed(&Thing::Issue(part));
    run.call
        .change(|state| state.issue_mut(part).parent = adds.then_some(whole));
    let mut fields = one("issue", whole);
    fields.extend(one("subIssue", part));
    Ok(fields)
}

fn comment(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let call = run.call;
    let id = run.issue("subjectId")?;
    let body = run.input.demanded("body")?.to_owned();
    if body.trim().is_empty() {
        return Err(Refused::unprocessable("Body can't be blank"));
    }
    let by = call.login();
    let comment = Thing::Comment(call.change(|state| state.comment(id, &by, &body)));
    run.changed(&comment);
    let fields = vec![("node", Found::One(comment)), ("cursor", leaf("Y3Vyc29y"))];
    let edge = call.make("IssueCommentEdge", &Thing::Issue(id), run.name, fields);
    let mut fields = one("subject", id);
    fields.push(("commentEdge", Found::One(edge)));
    fields.push(("timelineEdge", nothing()));
    Ok(fields)
}

fn change_comment(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let comment = run.to_change("id")?;
    let Thing::Comment(id) = comment else {
        return Err(run.unfit("id"));
    };
    run.changed(&comment);
    if run.name == "deleteIssueComment" {
        run.call.change(|state| state.comments.remove(&id));
        return Ok(Vec::new());
    }
    let body = run.input.demanded("body")?.to_owned();
    run.call.change(|state| {
        if let Some(comment) = state.comments.get_mut(&id) {
            comment.body = body;
        }
    });
    Ok(vec![("issueComment", Found::One(comment))])
}

fn label(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.issue("labelableId")?;
    let repository = run.call.state().issues[&id].repository;
    let labels = run.labels("labelIds", repository)?.unwrap_or_default();
    run.changed(&Thing::Issue(id));
    run.call.change(|state| {
        let known = &mut state.issue_mut(id).labels;
        match run.name {
            "addLabelsToLabelable" => known.extend(labels),
            "removeLabelsFromLabelable" => known.retain(|label| !labels.contains(label)),
            _ => known.clear(),
        }
    });
    Ok(one("labelable", id))
}

fn assign(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.issue("assignableId")?;
    let logins = run.accounts("assigneeIds")?.unwrap_or_default();
    run.changed(&Thing::Issue(id));
    run.call.change(|state| {
        let known = &mut state.issue_mut(id).assignees;
        match run.name {
            "addAssigneesToAssignable" => known.extend(logins),
            _ => known.retain(|login| !logins.contains(login)),
        }
    });
    Ok(one("assignable", id))
}

fn lock(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = run.issue("lockableId")?;
    let locks = run.name == "lockLockable";
    run.changed(&Thing::Issue(id));
    run.call.change(|state| state.issue_mut(id).locked = locks);
    Ok(one(
        if locks {
            "lockedRecord"
        } else {
            "unlockedRecord"
        },
        id,
    ))
}
