//! What GitHub's OpenAPI description says of its operations, as far as the table needs it.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

const METHODS: [&str; 6] = ["delete", "get", "head", "patch", "post", "put"];

/// Properties of answers that hold repositories, or say of which one each thing is.
const REPOSITORIES: [&str; 6] = [
    "full_name",
    "repositoryName",
    "repository_full_name",
    "repository_id",
    "repository_name",
    CLONE_TOKEN,
];
/// A token for git that GitHub puts beside a repository.
const CLONE_TOKEN: &str = "temp_clone_token";
/// Properties of bodies that name repositories other than by the path.
const SELECTED: [&str; 4] = [
    "repo_names",
    "repository_ids",
    "repository_names",
    "selected_repository_ids",
];

/// The description of api.github.com.
pub(crate) struct Description(Value);

/// One operation in it.
pub(crate) struct Described<'d> {
    description: &'d Value,
    /// In capitals.
    pub(crate) method: String,
    path: &'d str,
    operation: &'d Value,
}

impl Description {
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self(serde_json::from_slice(&text).unwrap())
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = Described<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            let methods = METHODS
                .iter()
                .filter_map(|method| Some((method, item.get(method)?)));
            methods.map(|(method, operation)| Described {
                description: &self.0,
                method: method.to_uppercase(),
                path,
                operation,
            })
        })
    }
}

impl Described<'_> {
    /// `GET /repos/{owner}/{repo}/labels`
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with the forms of its parameters; `None` where a segment is only in part a parameter.
    pub(crate) fn template(&self) -> Option<String> {
        let segments = self.path.split('/').map(|segment| {
            let name = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match name {
                Some(name) if name.contains(['{', '}']) => None,
                Some(name) => Some(format!("{{{name}{}}}", self.form(name))),
                None if segment.contains('{') => None,
                None => Some(segment.to_owned()),
            }
        });
        Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
    }

    fn form(&self, name: &str) -> &'static str {
        let parameters = self.operation["parameters"].as_array();
        let parameters = parameters.into_iter().flatten().map(|one| self.follow(one));
        let mut here = parameters.filter(|one| one["in"] == "path" && one["name"] == name);
        let parameter = here
            .next()
            .unwrap_or_else(|| panic!("{}: no {name}", self.name()));
        if parameter["x-multi-segment"] == true || name == "name" && self.names_a_label() {
            ":+"
        } else if self.follow(&parameter["schema"])["type"] == "integer" {
            ":n"
        } else {
            ""
        }
    }

    /// Whether it ends with a label of a repository or an issue, whose name may hold slashes. The description does
    /// not say so; but a label's own `url` has them as they are, such as `labels/kind/bug`, and PyGithub asks for it.
    fn names_a_label(&self) -> bool {
        [
            "/repos/{owner}/{repo}/labels/{name}",
            "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
        ]
        .contains(&self.path)
    }

    /// Whether it is about one owner, and not about one repository.
    pub(crate) fn is_about_one_owner(&self) -> bool {
        ["{org}", "{username}"]
            .iter()
            .any(|owner| self.path.contains(owner))
            && !self.path.contains("{repo}")
    }

    /// Whether a good answer holds repositories, or the body selects some.
    pub(crate) fn holds_repositories(&self) -> bool {
        let body = &self.operation["requestBody"];
        self.answers(&REPOSITORIES) || self.has(body, &SELECTED)
    }

    /// Whether a good answer may hold the token that clones a repository.
    pub(crate) fn answers_clone_token(&self) -> bool {
        self.answers(&[CLONE_TOKEN])
    }

    /// Whether a good answer has one of these properties.
    fn answers(&self, wanted: &[&str]) -> bool {
        let answers = self.operation["responses"]
            .as_object()
            .into_iter()
            .flatten();
        let mut good = answers.filter(|(status, _)| status.starts_with('2'));
        good.any(|(_, answer)| self.has(answer, wanted))
    }

    /// Whether it is on the host for uploads.
    pub(crate) fn is_upload(&self) -> bool {
        let servers = self.operation["servers"].to_string();
        servers.contains("uploads.github.com")
    }

    fn follow<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(pointer) => {
                let there = self.description.pointer(pointer.trim_start_matches('#'));
                self.follow(there.unwrap_or_else(|| panic!("no {pointer}")))
            }
            None => value,
        }
    }

    /// Whether a schema below this value has one of these properties.
    fn has(&self, value: &Value, wanted: &[&str]) -> bool {
        let mut seen = Vec::new();
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            let below: Vec<&Value> = match value {
                Value::Object(map) => {
                    let properties = map.get("properties").and_then(Value::as_object);
                    let here = |properties: &Map<String, Value>| {
                        wanted.iter().any(|name| properties.contains_key(*name))
                    };
                    if properties.is_some_and(here) {
                        return true;
                    }
                    // Examples are not schemas.
                    map.iter()
                        .filter(|(key, _)| !key.starts_with("example"))
                        .map(|(_, value)| value)
                        .collect()
                }
                Value::Array(list) => list.iter().collect(),
                Value::String(text)
                    if text.starts_with("#/components/") && !seen.contains(text) =>
                {
                    seen.push(text.clone());
                    self.description
                        .pointer(text.trim_start_matches('#'))
                        .into_iter()
                        .collect()
                }
                _ => Vec::new(),
            };
            open.extend(below);
        }
        false
    }
}
