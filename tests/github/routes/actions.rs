//! Workflows, which are files of the repository, and their runs.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::identify::Who;
use super::super::objects::{MADE, node};
use super::super::request::Request;
use super::super::state::{Repository, Run, State};
use super::repository::ACTIONS;
use super::{Outcome, accepted, by_number, hex, linked, page_at};

const WORKFLOWS: &str = ".github/workflows/";

impl State {
    pub(super) fn workflows_call(
        &self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let repository = self.open(request, who, place, ACTIONS)?;
        let all = workflows(&request.base, repository);
        let answer = match rest {
            [] => counted(request, repository, ("workflows", "actions/workflows"), all),
            // By its number or its file's name.
            [file] if file.contains('.') => {
                let path = format!("{WORKFLOWS}{file}");
                one_of(all, |one| one["path"] == path)?
            }
            [id] => by_id(all, id)?,
            _ => return Err(Answer::not_found()),
        };
        Ok(accepted(answer, ACTIONS))
    }

    pub(super) fn runs_call(
        &self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let repository = self.open(request, who, place, ACTIONS)?;
        // The last one first.
        let all = repository.runs.iter().rev();
        let all = all.map(|run| self.run_object(&request.base, repository, run));
        let all = all.collect();
        let answer = match rest {
            [] => counted(request, repository, ("workflow_runs", "actions/runs"), all),
            [id] => by_id(all, id)?,
            _ => return Err(Answer::not_found()),
        };
        Ok(accepted(answer, ACTIONS))
    }

    fn run_object(&self, base: &str, repository: &Repository, run: &Run) -> Value {
        let full_name = repository.full_name();
        let url = format!("{base}/repos/{full_name}/actions/runs/{}", run.id);
        let html = format!("https://github.com/{full_name}/actions/runs/{}", run.id);
        let at = iso(run.at);
        let workflow = workflows(base, repository).into_iter().next();
        let workflow = workflow.expect("a run has a workflow");
        let object = self.repository_object(base, repository);
        let sha = &hex(&Sha256::digest(run.title.as_bytes()))[..40];
        let author = json!({ "name": repository.owner, "email": "author@example.org" });
        json!({
            "id": run.id, "node_id": node("WFR", run.id), "name": workflow["name"],
            "display_title": run.title, "path": workflow["path"],
            "workflow_id": workflow["id"], "workflow_url": workflow["url"],
            "run_number": 1, "run_attempt": 1, "event": "push", "head_branch": "main", "head_sha": sha,
            "status": "completed", "conclusion": "success", "pull_requests": [],
            "created_at": at, "updated_at": at, "run_started_at": at,
            "url": url, "html_url": html,
            "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"),
            "cancel_url": format!("{url}/cancel"), "rerun_url": format!("{url}/rerun"),
            "artifacts_url": format!("{url}/artifacts"), "previous_attempt_url": null,
            "check_suite_url": format!("{base}/repos/{full_name}/check-suites/{}", run.id),
            "head_commit": {
                "id": sha, "tree_id": sha, "message": run.title, "timestamp": at,
                "author": author, "committer": author,
            },
            "repository": object, "head_repository": object,
        })
    }
}

/// Each file in its place is one. Its name is what it says, or else its path.
fn workflows(base: &str, repository: &Repository) -> Vec<Value> {
    let full_name = repository.full_name();
    let files = repository.files.iter();
    let files = files.filter(|(path, _)| path.starts_with(WORKFLOWS));
    let numbered = files.zip(1..);
    numbered
        .map(|((path, text), number)| {
            let id = repository.id * 1000 + number;
            let file = path.trim_start_matches(WORKFLOWS);
            let name = text.lines().find_map(|line| line.strip_prefix("name: "));
            let html = format!("https://github.com/{full_name}");
            json!({
                "id": id, "node_id": node("W", id), "name": name.unwrap_or(path), "path": path,
                "state": "active", "created_at": MADE, "updated_at": MADE,
                "url": format!("{base}/repos/{full_name}/actions/workflows/{id}"),
                "html_url": format!("{html}/blob/main/{path}"),
                "badge_url": format!("{html}/workflows/{file}/badge.svg"),
            })
        })
        .collect()
}

fn counted(
    request: &Request,
    repository: &Repository,
    (field, path): (&str, &str),
    all: Vec<Value>,
) -> Answer {
    let total = all.len();
    let (shown, link) = page_at(request, &by_number(repository, &[path]), all);
    linked(
        Answer::json(200, json!({ "total_count": total, field: shown })),
        link,
    )
}

fn by_id(all: Vec<Value>, id: &str) -> Outcome {
    let id: u64 = id.parse().map_err(|_not_a_number| Answer::not_found())?;
    one_of(all, |one| one["id"] == id)
}

fn one_of(all: Vec<Value>, is_it: impl Fn(&Value) -> bool) -> Outcome {
    let found = all.into_iter().find(is_it);
    let found = found.ok_or_else(Answer::not_found)?;
    Ok(Answer::json(200, found))
}
