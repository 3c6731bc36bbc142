//! Labels of a repository. Their names are one whatever their case, and may hold slashes.
//!
//! Source: GitHub REST documentation, “REST API endpoints for labels”; a slash stands in a label's `url` as it is,
//! as in `labels/kind/bug` of kubernetes/kubernetes.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::objects::node;
use super::super::permission::Level;
use super::super::request::Request;
use super::super::state::{Label, Repository, State};
use super::{Needs, Outcome, accepted, by_number, linked, page_at};

const READ: Needs = Needs(&[("issues", Level::Read), ("pull_requests", Level::Read)]);
const WRITE: Needs = Needs(&[("issues", Level::Write), ("pull_requests", Level::Write)]);

/// Longest description, in characters.
const LONGEST: usize = 100;

impl State {
    pub(super) fn labels_call(
        &mut self,
        request: &Request,
        who: &Who,
        place: (&str, &str),
        rest: &[&str],
    ) -> Outcome {
        let needs = if request.verb() == "GET" { READ } else { WRITE };
        let id = self.open(request, who, place, needs)?.id;
        let name = rest.join("/");
        let answer = match (request.verb(), rest) {
            ("GET", []) => Ok(list(request, &self.repositories[&id])),
            ("POST", []) => self.make_label(request, id),
            ("GET", _) => {
                let repository = &self.repositories[&id];
                let (name, label) = found(repository, &name)?;
                let object = object(&request.base, repository, name, label);
                Ok(Answer::json(200, object))
            }
            ("PATCH", [_, ..]) => self.change_label(request, id, &name),
            ("DELETE", [_, ..]) => {
                let (name, _) = found(&self.repositories[&id], &name)?;
                let name = name.to_owned();
                self.labels_of(id).remove(&name);
                Ok(Answer::empty(204))
            }
            _ => Err(Answer::not_found()),
        };
        answer.map(|answer| accepted(answer, needs))
    }

    fn make_label(&mut self, request: &Request, id: u64) -> Outcome {
        let wish = Wish::parse(request, "name")?;
        let missing = || Answer::invalid("Label", "name", "missing_field");
        let name = wish.name.ok_or_else(missing)?;
        self.free(id, &name)?;
        let label = Label {
            id: self.next_id(),
            color: wish.color.unwrap_or_else(|| "ededed".to_owned()),
            description: wish.description.flatten(),
        };
        let object = object(&request.base, &self.repositories[&id], &name, &label);
        let location = object["url"].as_str().unwrap_or_default().to_owned();
        self.labels_of(id).insert(name, label);
        Ok(Answer::json(201, object).with("location", location))
    }

    fn change_label(&mut self, request: &Request, id: u64, name: &str) -> Outcome {
        let wish = Wish::parse(request, "new_name")?;
        let (known, label) = found(&self.repositories[&id], name)?;
        let (known, mut label) = (known.to_owned(), label.clone());
        if let Some(name) = &wish.name
            && name.to_lowercase() != known.to_lowercase()
        {
            self.free(id, name)?;
        }
        if let Some(color) = wish.color {
            label.color = color;
        }
        if let Some(description) = wish.description {
            label.description = description;
        }
        let name = wish.name.unwrap_or_else(|| known.clone());
        let object = object(&request.base, &self.repositories[&id], &name, &label);
        let labels = self.labels_of(id);
        labels.remove(&known);
        labels.insert(name, label);
        Ok(Answer::json(200, object))
    }

    fn free(&self, id: u64, name: &str) -> Result<(), Answer> {
        match found(&self.repositories[&id], name) {
            Ok(_) => Err(Answer::invalid("Label", "name", "already_exists")),
            Err(_) => Ok(()),
        }
    }

    fn labels_of(&mut self, id: u64) -> &mut std::collections::BTreeMap<String, Label> {
        let repository = self.repositories.get_mut(&id).expect("it was just opened");
        &mut repository.labels
    }
}

/// What a label is to be like.
struct Wish {
    name: Option<String>,
    color: Option<String>,
    /// Also that it shall have none.
    description: Option<Option<String>>,
}

impl Wish {
    fn parse(request: &Request, name: &str) -> Result<Self, Answer> {
        let body = request.json()?;
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        let color = text("color").map(|color| color.to_lowercase());
        let is_color =
            |color: &String| color.len() == 6 && color.bytes().all(|byte| byte.is_ascii_hexdigit());
        if color.as_ref().is_some_and(|color| !is_color(color)) {
            return Err(Answer::invalid("Label", "color", "invalid"));
        }
        let description = match &body["description"] {
            Value::Null => body.get("description").map(|_null| None),
            Value::String(text) if text.chars().count() <= LONGEST => Some(Some(text.clone())),
            _ => return Err(Answer::invalid("Label", "description", "invalid")),
        };
        Ok(Self {
            name: text(name).filter(|name| !name.is_empty()),
            color,
            description,
        })
    }
}

fn list(request: &Request, repository: &Repository) -> Answer {
    let labels = repository.labels.iter().collect();
    let (labels, link) = page_at(request, &by_number(repository, &["labels"]), labels);
    let labels = labels.into_iter();
    let list: Value = labels
        .map(|(name, label)| object(&request.base, repository, name, label))
        .collect();
    linked(Answer::json(200, list), link)
}

fn found<'a>(repository: &'a Repository, name: &str) -> Result<(&'a str, &'a Label), Answer> {
    let mut labels = repository.labels.iter();
    let found = labels.find(|(known, _)| known.to_lowercase() == name.to_lowercase());
    let (name, label) = found.ok_or_else(Answer::not_found)?;
    Ok((name, label))
}

pub(crate) fn object(base: &str, repository: &Repository, name: &str, label: &Label) -> Value {
    let full_name = repository.full_name();
    json!({
        "id": label.id,
        "node_id": node("LA", label.id),
        "url": format!("{base}/repos/{full_name}/labels/{}", encoded(name)),
        "name": name, "color": label.color, "default": false, "description": label.description,
    })
}

fn encoded(name: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    name.bytes()
        .map(|byte| match kept(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
