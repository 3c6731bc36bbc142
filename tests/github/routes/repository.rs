//! Repositories: what can be read with one permission each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::permission::Level;
use super::super::request::Request;
use super::super::state::{Repository, State};
use super::{Needs, Outcome, accepted};

pub(super) const METADATA: Needs = Needs(&[("metadata", Level::Read)]);
pub(super) const CONTENTS: Needs = Needs(&[("contents", Level::Read)]);
const WRITE_CONTENTS: Needs = Needs(&[("contents", Level::Write)]);

/// Lists that are empty here: what they are good for is the permission they want. With a name, the
/// list is inside an object of that field, with a count.
///
/// Source: GitHub documentation, “Permissions required for fine-grained personal access tokens”.
const EMPTY: &[(&str, Option<&str>, Needs)] = &[
    ("branches", None, CONTENTS),
    ("commits", None, CONTENTS),
    ("deployments", None, Needs(&[("deployments", Level::Read)])),
    ("hooks", None, Needs(&[("repository_hooks", Level::Read)])),
    ("keys", None, ADMINISTRATION),
    ("actions/artifacts", Some("artifacts"), ACTIONS),
    ("environments", Some("environments"), ACTIONS),
    (
        "commits/HEAD/statuses",
        None,
        Needs(&[("statuses", Level::Read)]),
    ),
    (
        "code-scanning/alerts",
        None,
        Needs(&[("security_events", Level::Read)]),
    ),
    (
        "secret-scanning/alerts",
        None,
        Needs(&[("secret_scanning_alerts", Level::Read)]),
    ),
    (
        "dependabot/alerts",
        None,
        Needs(&[("vulnerability_alerts", Level::Read)]),
    ),
];
const ADMINISTRATION: Needs = Needs(&[("administration", Level::Read)]);
pub(super) const ACTIONS: Needs = Needs(&[("actions", Level::Read)]);

impl State {
    pub(super) fn get_repository_by_id(&self, request: &Request, who: &Who, id: &str) -> Outcome {
        let id = id.parse().ok();
        let found = id
            .and_then(|id: u64| self.repositories.get(&id))
            .ok_or_else(Answer::not_found)?;
        self.may_work_on(who, found, METADATA)?;
        Ok(Answer::json(
            200,
            self.repository_object(&request.base, found),
        ))
    }

    /// What lists of a repository call its further pages by.
    pub(super) fn repository_call_by_id(
        &mut self,
        request: &Request,
        who: &Who,
        id: &str,
        rest: &[&str],
    ) -> Outcome {
        let found = id.parse().ok().and_then(|id| self.repositories.get(&id));
        let found = found.ok_or_else(Answer::not_found)?;
        let (owner, name) = (found.owner.clone(), found.name.clone());
        self.repository_call(request, who, (&owner, &name), rest)
    }

    pub(super) fn repository_call(
        &mut self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        match (request.verb(), rest) {
            ("GET", []) => {
                let found = self.open(request, who, place, METADATA)?;
                let object = self.repository_object(&request.base, found);
                Ok(accepted(Answer::json(200, object), METADATA))
            }
            ("GET", ["contents", path @ ..]) => {
                let found = self.open(request, who, place, CONTENTS)?;
                contents(request, found, &path.join("/")).map(|found| accepted(found, CONTENTS))
            }
            (_, ["issues", rest @ ..]) => self.issues_call(request, who, place, rest),
            ("GET", ["pulls", rest @ ..]) => self.pulls_call(request, who, place, rest),
            ("GET", ["readme"]) => {
                let found = self.open(request, who, place, CONTENTS)?;
                contents(request, found, "README.md").map(|found| accepted(found, CONTENTS))
            }
            ("DELETE", ["git", "refs", rest @ ..]) => self.delete_ref(request, who, place, rest),
            (_, ["labels", rest @ ..]) => self.labels_call(request, who, place, rest),
            (_, ["releases", rest @ ..]) => self.releases_call(request, who, place, rest),
            ("GET", ["actions", "workflows", rest @ ..]) => {
                self.workflows_call(request, who, place, rest)
            }
            ("GET", ["actions", "runs", rest @ ..]) => self.runs_call(request, who, place, rest),
            ("GET", ["actions", "permissions"]) => {
                self.open(request, who, place, ADMINISTRATION)?;
                let body = json!({ "enabled": true, "allowed_actions": "all" });
                Ok(accepted(Answer::json(200, body), ADMINISTRATION))
            }
            ("GET", _) => self.empty_list(request, who, place, &rest.join("/")),
            _ => Err(Answer::not_found()),
        }
    }

    fn delete_ref(
        &mut self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let id = self.open(request, who, place, WRITE_CONTENTS)?.id;
        let name = format!("refs/{}", rest.join("/"));
        let repository = self.repositories.get_mut(&id).expect("it was just opened");
        match repository.refs.remove(&name) {
            Some(_) => Ok(accepted(Answer::empty(204), WRITE_CONTENTS)),
            None => Err(Answer::error(422, "Reference does not exist")),
        }
    }

    fn empty_list(&self, request: &Request, who: &Who, place: (&str, &str), rest: &str) -> Outcome {
        let mut known = EMPTY.iter();
        let (_, field, needs) = known
            .find(|(path, ..)| *path == rest)
            .ok_or_else(Answer::not_found)?;
        self.open(request, who, place, *needs)?;
        let body = match field {
            Some(field) => json!({ "total_count": 0, *field: [] }),
            None => json!([]),
        };
        Ok(accepted(Answer::json(200, body), *needs))
    }
}

fn contents(request: &Request, repository: &Repository, path: &str) -> Outcome {
    let text = repository.files.get(path).ok_or_else(Answer::not_found)?;
    let sha = hex(&Sha256::digest(text.as_bytes()))[..40].to_owned();
    let full_name = repository.full_name();
    let url = format!(
        "{}/repos/{full_name}/contents/{path}?ref=main",
        request.base
    );
    let git = format!("{}/repos/{full_name}/git/blobs/{sha}", request.base);
    let html = format!("https://github.com/{full_name}/blob/main/{path}");
    Ok(Answer::json(
        200,
        json!({
            "type": "file", "encoding": "base64", "size": text.len(),
            "name": path.rsplit('/').next(), "path": path, "sha": sha,
            "content": STANDARD.encode(text),
            "url": url, "git_url": git, "html_url": html,
            "download_url": format!("https://raw.githubusercontent.com/{full_name}/main/{path}"),
            "_links": { "self": url, "git": git, "html": html },
        }),
    ))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
