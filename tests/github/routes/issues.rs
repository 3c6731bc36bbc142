//! Issues of a repository, pull requests among them, and comments on them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::identify::Who;
use super::super::issues::{Comment, Issue, Milestone};
use super::super::objects::{MADE, fields, node, urls};
use super::super::permission::Level;
use super::super::request::Request;
use super::super::state::{Repository, State};
use super::{Needs, Outcome, accepted, by_number, labels, linked, page_at};

const READ: Needs = Needs(&[("issues", Level::Read)]);
const WRITE: Needs = Needs(&[("issues", Level::Write)]);
const READ_EITHER: Needs = Needs(&[("issues", Level::Read), ("pull_requests", Level::Read)]);
const WRITE_EITHER: Needs = Needs(&[("issues", Level::Write), ("pull_requests", Level::Write)]);

impl State {
    pub(super) fn issues_call(
        &mut self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let needs = match (request.verb(), rest.is_empty()) {
            ("GET", true) => READ,
            (_, true) => WRITE,
            ("GET", false) => READ_EITHER,
            _ => WRITE_EITHER,
        };
        let id = self.open(request, who, place, needs)?.id;
        let issue = |number: &str| {
            let number = number.parse().ok();
            let found = number.and_then(|number| self.issue_numbered(id, number));
            found.map(|issue| issue.id).ok_or_else(Answer::not_found)
        };
        let answer = match (request.verb(), rest) {
            ("GET", []) => self.list_issues(request, id),
            ("POST", []) => self.make_issue(request, who, id)?,
            ("GET", [number]) => {
                let found = &self.issues[&issue(number)?];
                Answer::json(200, self.issue_object(&request.base, found))
            }
            ("PATCH", [number]) => {
                let found = issue(number)?;
                self.change_issue(request, found)?
            }
            ("GET", [number, "comments"]) => {
                let all = self.comments_on(issue(number)?);
                let path = by_number(&self.repositories[&id], &["issues", number, "comments"]);
                let (shown, link) = page_at(request, &path, all.collect());
                let shown = shown.into_iter();
                let list: Value = shown
                    .map(|comment| self.comment_object(&request.base, comment))
                    .collect();
                linked(Answer::json(200, list), link)
            }
            ("POST", [number, "comments"]) => {
                let found = issue(number)?;
                self.make_comment(request, who, found)?
            }
            _ => return Err(Answer::not_found()),
        };
        Ok(accepted(answer, needs))
    }

    /// Those that are open, unless others are asked for; the newest first.
    fn list_issues(&self, request: &Request, id: u64) -> Answer {
        let state = request.query_value("state").unwrap_or_default();
        let mut all: Vec<&Issue> = self
            .issues_of(id)
            .filter(|issue| match state.as_str() {
                "all" => true,
                "closed" => issue.closed.is_some(),
                _ => issue.closed.is_none(),
            })
            .collect();
        all.reverse();
        let path = by_number(&self.repositories[&id], &["issues"]);
        let (issues, link) = page_at(request, &path, all);
        let issues = issues.into_iter();
        let list: Value = issues
            .map(|one| self.issue_object(&request.base, one))
            .collect();
        linked(Answer::json(200, list), link)
    }

    fn make_issue(&mut self, request: &Request, who: &Who, repository: u64) -> Outcome {
        let body = request.json()?;
        let title = body["title"].as_str().filter(|title| !title.is_empty());
        let title = title.ok_or_else(|| Answer::invalid("Issue", "title", "missing_field"))?;
        let by = self.author(who);
        let id = self.open_issue(repository, title, &by);
        self.apply(id, &body);
        let object = self.issue_object(&request.base, &self.issues[&id]);
        let location = object["url"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::json(201, object).with("location", location))
    }

    fn change_issue(&mut self, request: &Request, id: u64) -> Outcome {
        let body = request.json()?;
        if let Some(title) = body["title"].as_str() {
            title.clone_into(&mut self.issue_mut(id).title);
        }
        self.apply(id, &body);
        let now = self.clock.now();
        let issue = self.issue_mut(id);
        issue.updated = now;
        match body["state"].as_str() {
            Some("closed") => {
                let reason = body["state_reason"].as_str().unwrap_or("completed");
                issue.close(&reason.to_uppercase(), now);
            }
            Some("open") => issue.closed = None,
            _ => {}
        }
        let object = self.issue_object(&request.base, &self.issues[&id]);
        Ok(Answer::json(200, object))
    }

    /// Text, labels and assignees, as far as they are given.
    fn apply(&mut self, id: u64, body: &Value) {
        let names = |field: &str| -> Option<BTreeSet<String>> {
            let list = body[field].as_array()?.iter();
            Some(list.filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let labels = names("labels").map(|names| {
            let full_name = self.repositories[&self.issues[&id].repository].full_name();
            let ids = names.iter().map(|name| self.label_called(&full_name, name));
            ids.collect()
        });
        let issue = self.issue_mut(id);
        if let Some(text) = body["body"].as_str() {
            issue.body = Some(text.to_owned());
        }
        if let Some(labels) = labels {
            issue.labels = labels;
        }
        if let Some(assignees) = names("assignees") {
            issue.assignees = assignees;
        }
    }

    fn make_comment(&mut self, request: &Request, who: &Who, issue: u64) -> Outcome {
        let body = request.json()?;
        let missing = || Answer::invalid("IssueComment", "body", "missing_field");
        let text = body["body"].as_str().ok_or_else(missing)?;
        let by = self.author(who);
        let id = self.comment(issue, &by, text);
        let object = self.comment_object(&request.base, &self.comments[&id]);
        let location = object["url"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::json(201, object).with("location", location))
    }

    fn author(&self, who: &Who) -> String {
        match who {
            Who::User(pat) => pat.login.clone(),
            Who::Installation(_, minted) => self
                .installation(minted.installation)
                .map_or_else(String::new, |(app, _)| app.owner.clone()),
            Who::Anonymous | Who::App(_) => String::new(),
        }
    }

    pub(super) fn issue_object(&self, base: &str, issue: &Issue) -> Value {
        let repository = &self.repositories[&issue.repository];
        let full_name = repository.full_name();
        let kind = if issue.pull.is_some() {
            "pull"
        } else {
            "issues"
        };
        let number = issue.number;
        let html = format!("https://github.com/{full_name}/{kind}/{number}");
        let mut object = urls(
            &format!("{base}/repos/{full_name}/issues/{number}"),
            &[
                ("url", ""),
                ("labels_url", "/labels{/name}"),
                ("comments_url", "/comments"),
                ("events_url", "/events"),
            ],
        );
        object.extend(fields(json!({
            "repository_url": format!("{base}/repos/{full_name}"),
            "html_url": html,
            "state_reason": issue.closed.as_ref().map(|closed| closed.reason.to_lowercase()),
            "comments": self.comments_on(issue.id).count(),
        })));
        object.extend(self.common(base, repository, issue));
        if issue.pull.is_some() {
            let url = format!("{base}/repos/{full_name}/pulls/{number}");
            object.extend(fields(json!({ "pull_request": {
                "url": url, "html_url": html,
                "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
            } })));
        }
        Value::Object(object)
    }

    /// What issues and pull requests have in common.
    pub(super) fn common(
        &self,
        base: &str,
        repository: &Repository,
        issue: &Issue,
    ) -> serde_json::Map<String, Value> {
        let there = repository.labels.iter();
        let there = there.filter(|(_, label)| issue.labels.contains(&label.id));
        let labels: Value = there
            .map(|(name, label)| labels::object(base, repository, name, label))
            .collect();
        let assignees = issue.assignees.iter();
        let assignees: Vec<Value> = assignees
            .map(|login| self.account_object(base, login))
            .collect();
        let milestone = issue
            .milestone
            .and_then(|number| repository.milestone(number));
        fields(json!({
            "id": issue.id,
            "node_id": issue.node_id(),
            "number": issue.number,
            "state": if issue.closed.is_some() { "closed" } else { "open" },
            "title": issue.title, "body": issue.body,
            "user": self.account_object(base, &issue.by),
            "labels": labels, "assignee": assignees.first(), "assignees": assignees,
            "milestone": milestone.map(|one| self.milestone_object(base, repository, one)),
            "locked": issue.locked,
            "closed_at": issue.closed.as_ref().map(|closed| iso(closed.at)),
            "author_association": "NONE",
            "created_at": iso(issue.at), "updated_at": iso(issue.updated),
        }))
    }

    fn milestone_object(&self, base: &str, repository: &Repository, one: &Milestone) -> Value {
        let full_name = repository.full_name();
        let number = one.number;
        let url = format!("{base}/repos/{full_name}/milestones/{number}");
        let planned = self.issues_of(repository.id);
        let (closed, open): (Vec<_>, Vec<_>) = planned
            .filter(|issue| issue.milestone == Some(number))
            .partition(|issue| issue.closed.is_some());
        json!({
            "id": one.id, "node_id": node("MI", one.id), "number": number, "title": one.title,
            "url": url, "labels_url": format!("{url}/labels"),
            "html_url": format!("https://github.com/{full_name}/milestone/{number}"),
            "description": null, "creator": self.account_object(base, &repository.owner),
            "open_issues": open.len(), "closed_issues": closed.len(), "state": "open",
            "created_at": MADE, "updated_at": MADE, "due_on": null, "closed_at": null,
        })
    }

    fn comment_object(&self, base: &str, comment: &Comment) -> Value {
        let issue = &self.issues[&comment.issue];
        let full_name = self.repositories[&issue.repository].full_name();
        let issue_url = format!("{base}/repos/{full_name}/issues/{}", issue.number);
        let id = comment.id;
        json!({
            "id": id, "node_id": node("IC", id), "body": comment.body,
            "url": format!("{base}/repos/{full_name}/issues/comments/{id}"),
            "html_url": format!(
                "https://github.com/{full_name}/issues/{}#issuecomment-{id}", issue.number
            ),
            "issue_url": issue_url, "user": self.account_object(base, &comment.by),
            "author_association": "NONE",
            "created_at": iso(comment.at), "updated_at": iso(comment.at),
        })
    }
}

impl Issue {
    /// Its id in GraphQL.
    #[must_use]
    pub fn node_id(&self) -> String {
        node(if self.pull.is_some() { "PR" } else { "I" }, self.id)
    }
}
