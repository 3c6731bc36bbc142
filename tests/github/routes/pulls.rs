//! Pull requests of a repository, to be read. What changes them here is GraphQL.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::identify::Who;
use super::super::issues::{Issue, Pull};
use super::super::objects::{fields, urls};
use super::super::permission::Level;
use super::super::request::Request;
use super::super::state::State;
use super::{Needs, Outcome, accepted, by_number, linked, page_at};

const READ: Needs = Needs(&[("pull_requests", Level::Read)]);

impl State {
    pub(super) fn pulls_call(
        &self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let repository = self.open(request, who, place, READ)?;
        let state = request.query_value("state").unwrap_or_default();
        let pulls = self.issues_of(repository.id);
        let pulls = pulls.filter_map(|issue| Some((issue, issue.pull.as_ref()?)));
        let answer = match rest {
            [] => {
                let kept = pulls.filter(|(issue, _)| match state.as_str() {
                    "all" => true,
                    "closed" => issue.closed.is_some(),
                    _ => issue.closed.is_none(),
                });
                let mut all: Vec<_> = kept.collect();
                all.reverse();
                let (shown, link) = page_at(request, &by_number(repository, &["pulls"]), all);
                let shown = shown.into_iter();
                let list: Value = shown
                    .map(|(issue, pull)| Value::Object(self.pull_object(request, issue, pull)))
                    .collect();
                linked(Answer::json(200, list), link)
            }
            [number] => {
                let mut pulls = pulls;
                let found = pulls.find(|(issue, _)| issue.number.to_string() == *number);
                let (issue, pull) = found.ok_or_else(Answer::not_found)?;
                self.whole(request, issue, pull)
            }
            _ => return Err(Answer::not_found()),
        };
        Ok(accepted(answer, READ))
    }

    /// One alone has more fields; or it is asked for as a patch.
    fn whole(&self, request: &Request, issue: &Issue, pull: &Pull) -> Answer {
        let accept = request.header("accept").unwrap_or_default();
        if accept.contains("diff") || accept.contains("patch") {
            let branch = &pull.head.1;
            return Answer::text(
                200,
                &format!("diff --git a/{branch}.txt b/{branch}.txt\n+{branch}\n"),
            );
        }
        let mut object = self.pull_object(request, issue, pull);
        let merged = pull.merged.as_ref();
        object.extend(fields(json!({
            "merged": merged.is_some(), "mergeable": true, "rebaseable": true,
            "mergeable_state": "clean",
            "merged_by": merged.map(|merged| self.account_object(&request.base, &merged.by)),
            "comments": self.comments_on(issue.id).count(), "review_comments": 0,
            "maintainer_can_modify": false, "commits": 1, "additions": 1, "deletions": 0,
            "changed_files": 1,
        })));
        Answer::json(200, Value::Object(object))
    }

    fn pull_object(
        &self,
        request: &Request,
        issue: &Issue,
        pull: &Pull,
    ) -> serde_json::Map<String, Value> {
        let base = &request.base;
        let repository = &self.repositories[&issue.repository];
        let full_name = repository.full_name();
        let number = issue.number;
        let url = format!("{base}/repos/{full_name}/pulls/{number}");
        let issue_url = format!("{base}/repos/{full_name}/issues/{number}");
        let html = format!("https://github.com/{full_name}/pull/{number}");
        let head = self.head_of(issue.id);
        let statuses = format!("{base}/repos/{full_name}/statuses/{head}");
        let mut object = urls(
            &url,
            &[
                ("url", ""),
                ("commits_url", "/commits"),
                ("review_comments_url", "/comments"),
            ],
        );
        object.extend(self.common(base, repository, issue));
        let reviewers = pull.reviewers.iter();
        let reviewers: Value = reviewers
            .map(|login| self.account_object(base, login))
            .collect();
        let link = |href: &str| json!({ "href": href });
        let comments = format!("{issue_url}/comments");
        let one = format!("{base}/repos/{full_name}/pulls/comments{{/number}}");
        let merged = pull.merged.as_ref();
        let base_tip = repository.tip(&pull.base);
        object.extend(fields(json!({
            "html_url": html, "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"), "issue_url": issue_url,
            "review_comment_url": one, "comments_url": comments, "statuses_url": statuses,
            "draft": pull.draft, "auto_merge": null,
            "merged_at": merged.map(|merged| iso(merged.at)),
            "merge_commit_sha": merged.map(|merged| &merged.commit),
            "requested_reviewers": reviewers, "requested_teams": [],
            "head": self.end(base, pull.head.0, &pull.head.1, &head),
            "base": self.end(base, repository.id, &pull.base, base_tip.map_or("", String::as_str)),
            "_links": {
                "self": link(&url), "html": link(&html), "issue": link(&issue_url),
                "comments": link(&comments), "review_comments": link(&format!("{url}/comments")),
                "review_comment": link(&one), "commits": link(&format!("{url}/commits")),
                "statuses": link(&statuses),
            },
        })));
        object
    }

    /// A branch as a pull request shows it.
    fn end(&self, base: &str, repository: u64, branch: &str, sha: &str) -> Value {
        let repository = self.repositories.get(&repository);
        let owner = repository.map_or("unknown", |one| one.owner.as_str());
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha,
            "user": self.account_object(base, owner),
            "repo": repository.map(|one| self.repository_object(base, one)),
        })
    }
}
