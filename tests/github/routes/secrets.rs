//! Secrets of Actions, Dependabot and Codespaces: public keys, and what is sealed with them.
//!
//! Source: GitHub REST documentation, “GitHub Actions Secrets” and its two siblings; limits from
//! “Secrets reference”.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::objects::time;
use super::super::permission::Level;
use super::super::request::Request;
use super::super::secrets::{Place, Stored};
use super::super::state::State;
use super::{Needs, Outcome, page};

/// Reading and writing with one permission.
macro_rules! needs {
    ($name:literal) => {
        (
            const { Needs(&[($name, Level::Read)]) },
            const { Needs(&[($name, Level::Write)]) },
        )
    };
}

/// Longest value, in bytes.
const LONGEST: usize = 48 * 1024;

/// A secret, or all of a place.
struct Target {
    place: Place,
    /// The path of the place.
    path: String,
    /// Organisations' secrets say who may see them.
    organization: bool,
    kind: String,
}

impl State {
    pub(super) fn repository_secrets(
        &mut self,
        request: &Request,
        who: &Who,
        (owner, name, kind): (&str, &str, &str),
        rest: &[&str],
    ) -> Outcome {
        let (read, write) = match kind {
            "actions" => needs!("secrets"),
            "dependabot" => needs!("dependabot_secrets"),
            "codespaces" => needs!("codespaces_secrets"),
            _ => return Err(Answer::not_found()),
        };
        let needs = if request.verb() == "GET" { read } else { write };
        let full_name = self.open(request, who, (owner, name), needs)?.full_name();
        let target = Target {
            place: Place::repository(kind, &full_name),
            path: format!("/repos/{full_name}/{kind}/secrets"),
            organization: false,
            kind: kind.to_owned(),
        };
        self.secrets_call(request, &target, rest)
    }

    pub(super) fn environment_secrets(
        &mut self,
        request: &Request,
        who: &Who,
        (owner, name, environment): (&str, &str, &str),
        rest: &[&str],
    ) -> Outcome {
        let (read, write) = needs!("environments");
        let needs = if request.verb() == "GET" { read } else { write };
        let repository = self.open(request, who, (owner, name), needs)?;
        if !repository.environments.contains(environment) {
            return Err(Answer::not_found());
        }
        let full_name = repository.full_name();
        let target = Target {
            place: Place::environment(&full_name, environment),
            path: format!("/repos/{full_name}/environments/{environment}/secrets"),
            organization: false,
            kind: "actions".to_owned(),
        };
        self.secrets_call(request, &target, rest)
    }

    pub(super) fn organization_secrets(
        &mut self,
        request: &Request,
        who: &Who,
        (login, kind): (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let (read, write) = match kind {
            "actions" => needs!("organization_secrets"),
            "dependabot" => needs!("organization_dependabot_secrets"),
            "codespaces" => needs!("organization_codespaces_secrets"),
            _ => return Err(Answer::not_found()),
        };
        let needs = if request.verb() == "GET" { read } else { write };
        let account = self
            .account_named(login)
            .filter(|account| account.members.is_some());
        let login = account.ok_or_else(Answer::not_found)?.login.clone();
        self.may_work_in(who, &login, needs)?;
        let target = Target {
            place: Place::organization(kind, &login),
            path: format!("/orgs/{login}/{kind}/secrets"),
            organization: true,
            kind: kind.to_owned(),
        };
        self.secrets_call(request, &target, rest)
    }

    fn secrets_call(&mut self, request: &Request, target: &Target, rest: &[&str]) -> Outcome {
        match (request.verb(), rest) {
            ("GET", ["public-key"]) => {
                let store = self.secrets.at(&target.place);
                let key = STANDARD.encode(store.key.public_key().as_bytes());
                Ok(Answer::json(
                    200,
                    json!({ "key_id": store.key_id, "key": key }),
                ))
            }
            ("GET", []) => {
                let store = self.secrets.at(&target.place);
                let total = store.secrets.len();
                let (shown, link) = page(request, store.secrets.iter().collect());
                let shown = shown.into_iter();
                let list: Value = shown
                    .map(|(name, one)| target.object(request, name, one))
                    .collect();
                let answer = Answer::json(200, json!({ "total_count": total, "secrets": list }));
                Ok(match link {
                    Some(link) => answer.with("link", link),
                    None => answer,
                })
            }
            ("GET", [name]) => {
                let stored = self
                    .secrets
                    .of(&target.place, name)
                    .ok_or_else(Answer::not_found)?;
                let object = target.object(request, &name.to_uppercase(), stored);
                Ok(Answer::json(200, object))
            }
            ("DELETE", [name]) => {
                let store = self.secrets.at(&target.place);
                match store.secrets.remove(&name.to_uppercase()) {
                    Some(_) => Ok(Answer::empty(204)),
                    None => Err(Answer::not_found()),
                }
            }
            ("PUT", [name]) => self.put_secret(request, target, name),
            ("GET", [name, "repositories"]) if target.organization => {
                self.selected_repositories(request, target, name)
            }
            _ => Err(Answer::not_found()),
        }
    }

    fn put_secret(&mut self, request: &Request, target: &Target, name: &str) -> Outcome {
        let name = secret_name(name)?;
        let body = request.json()?;
        let (visibility, selected) = target.visibility(&body)?;
        let known: BTreeSet<u64> = self.repositories.keys().copied().collect();
        if !selected.is_subset(&known) {
            return Err(Answer::not_found());
        }
        let now = self.clock.now();
        let store = self.secrets.at(&target.place);
        let before = store.secrets.get(&name);
        let (value, sealed) = match (&body["encrypted_value"], before) {
            // An organisation's secret may be shown to others without a new value.
            (Value::Null, Some(before)) if target.organization => {
                (before.value.clone(), before.sealed.clone())
            }
            (Value::String(text), _) => {
                if body["key_id"].as_str() != Some(&store.key_id) {
                    return Err(Answer::error(
                        422,
                        "Bad request - key_id is not valid for this resource",
                    ));
                }
                let sealed = STANDARD.decode(text).ok();
                let opened =
                    sealed.and_then(|sealed| Some((store.key.unseal(&sealed).ok()?, sealed)));
                opened.ok_or_else(|| {
                    Answer::error(422, "Bad request - encrypted_value cannot be opened")
                })?
            }
            _ => {
                return Err(Answer::invalid(
                    "Secret",
                    "encrypted_value",
                    "missing_field",
                ));
            }
        };
        if value.len() > LONGEST {
            return Err(Answer::invalid("Secret", "encrypted_value", "invalid"));
        }
        let created = before.map(|before| before.created);
        let stored = Stored {
            value,
            sealed,
            created: created.unwrap_or(now),
            updated: now,
            visibility,
            selected,
        };
        store.secrets.insert(name, stored);
        Ok(match created {
            Some(_) => Answer::empty(204),
            None => Answer::json(201, json!({})),
        })
    }

    fn selected_repositories(&self, request: &Request, target: &Target, name: &str) -> Outcome {
        let stored = self
            .secrets
            .of(&target.place, name)
            .ok_or_else(Answer::not_found)?;
        let ids: Vec<u64> = stored.selected.iter().copied().collect();
        let total = ids.len();
        let (ids, link) = page(request, ids);
        let objects = ids.iter().filter_map(|id| self.repositories.get(id));
        let list: Value = objects
            .map(|one| self.repository_object(&request.base, one))
            .collect();
        let answer = Answer::json(200, json!({ "total_count": total, "repositories": list }));
        Ok(match link {
            Some(link) => answer.with("link", link),
            None => answer,
        })
    }
}

impl Target {
    fn object(&self, request: &Request, name: &str, stored: &Stored) -> Value {
        let mut object = json!({
            "name": name, "created_at": time(stored.created), "updated_at": time(stored.updated),
        });
        if self.organization {
            object["visibility"] = json!(stored.visibility);
            if stored.visibility.as_deref() == Some("selected") || self.kind == "codespaces" {
                let url = format!("{}{}/{name}/repositories", request.base, self.path);
                object["selected_repositories_url"] = json!(url);
            }
        }
        object
    }

    /// Who may see an organisation's secret: always to be said, and replaced by what is said.
    fn visibility(&self, body: &Value) -> Result<(Option<String>, BTreeSet<u64>), Answer> {
        if !self.organization {
            return Ok((None, BTreeSet::new()));
        }
        let visibility = body["visibility"].as_str();
        let visibility = visibility
            .filter(|one| ["all", "private", "selected"].contains(one))
            .ok_or_else(|| Answer::invalid("Secret", "visibility", "missing_field"))?;
        let ids = match &body["selected_repository_ids"] {
            Value::Null => BTreeSet::new(),
            Value::Array(ids) if visibility == "selected" => ids
                .iter()
                // Dependabot's examples have texts.
                .map(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()))
                .collect::<Option<_>>()
                .ok_or_else(|| Answer::invalid("Secret", "selected_repository_ids", "invalid"))?,
            _ => {
                return Err(Answer::invalid(
                    "Secret",
                    "selected_repository_ids",
                    "invalid",
                ));
            }
        };
        Ok((Some(visibility.to_owned()), ids))
    }
}

/// Letters, digits and underscores, no digit first, not GitHub's own; the case does not count.
fn secret_name(text: &str) -> Result<String, Answer> {
    let name = text.to_uppercase();
    let fits = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("GITHUB_")
        && !name.is_empty();
    match fits {
        true => Ok(name),
        false => Err(Answer::error(
            422,
            "Secret names can only contain alphanumeric characters",
        )),
    }
}
