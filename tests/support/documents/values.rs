//! Values of arguments and inputs: within the lease, or mostly so.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

use super::writer::Writer;

impl Writer<'_> {
    pub(super) fn arguments(
        &mut self,
        of: &str,
        known: &FieldDefinition,
        listed: Option<&FieldDefinition>,
    ) -> String {
        let mut written = Vec::new();
        for argument in &known.arguments {
            let is_listed = listed.and_then(|one| one.argument_by_name(&argument.name));
            let wanted = argument.is_required()
                || ["first", "input"].contains(&argument.name.as_str())
                || self.chance(15);
            if !wanted || (self.inside && is_listed.is_none()) || argument.name == "last" {
                continue;
            }
            let value = match (of, known.name.as_str(), argument.name.as_str()) {
                ("Query", "repository", "owner" | "name") => self.repository_part(&argument.name),
                ("Query", "organization", "login") => self.organization(),
                _ => self.value(&argument.ty, is_listed.map(|one| &**one), 0),
            };
            written.push(format!(
                "{}: {}",
                argument.name,
                self.placed(&argument.ty, value)
            ));
        }
        if written.is_empty() {
            String::new()
        } else {
            format!("({})", written.join(", "))
        }
    }

    /// A value in the document, or in a variable.
    fn placed(&mut self, ty: &Type, value: Placed) -> String {
        if self.chance(30) {
            let name = format!("v{}", self.variables.len());
            self.variables
                .push((name.clone(), ty.to_string(), value.json));
            return format!("${name}");
        }
        value.text
    }

    fn repository_part(&mut self, part: &str) -> Placed {
        let names = &self.documents.names;
        let mut all = vec![names.repository.clone()];
        if !self.inside && self.chance(15) {
            all = names.other_repositories.clone();
        }
        let full_name = self.one_of(&all);
        let (owner, name) = full_name.split_once('/').unwrap();
        Placed::string(if part == "owner" { owner } else { name })
    }

    fn organization(&mut self) -> Placed {
        let elsewhere = !self.inside && self.chance(15);
        let names = &self.documents.names;
        Placed::string(if elsewhere {
            &names.other_organization
        } else {
            &names.organization
        })
    }

    fn value(&mut self, ty: &Type, listed: Option<&InputValueDefinition>, depth: usize) -> Placed {
        if ty.is_list() {
            let inner = ty.item_type().clone();
            let values: Vec<_> = (0..self.below(3))
                .map(|_| self.value(&inner, listed, depth))
                .collect();
            return Placed {
                text: format!(
                    "[{}]",
                    values
                        .iter()
                        .map(|one| one.text.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                json: values.into_iter().map(|one| one.json).collect(),
            };
        }
        let named = ty.inner_named_type().as_str();
        let held = listed.and_then(|one| one.directives.get("held"));
        let held = held.map(ToString::to_string).unwrap_or_default();
        match named {
            "Int" => Placed::plain(json!(1 + self.below(3))),
            "Float" => Placed::plain(json!(1.5)),
            "Boolean" => Placed::plain(json!(self.chance(50))),
            "ID" => {
                let names = &self.documents.names;
                let inside = self.inside || self.chance(70);
                let all = if inside {
                    names.ids.clone()
                } else {
                    names.other_ids.clone()
                };
                Placed::string(&self.one_of(&all))
            }
            _ if held.contains("REPOSITORY") => {
                let names = &self.documents.names;
                let inside = self.inside || self.chance(70);
                let all = if inside {
                    vec![names.repository.clone()]
                } else {
                    names.other_repositories.clone()
                };
                Placed::string(&self.one_of(&all))
            }
            _ if held.contains("HEAD") => {
                let inside = self.inside || self.chance(70);
                Placed::string(if inside { "topic" } else { "other:topic" })
            }
            _ => match self.documents.github.types.get(named) {
                Some(ExtendedType::Enum(one)) => {
                    let values: Vec<String> = one.values.keys().map(ToString::to_string).collect();
                    let value = self.one_of(&values);
                    Placed {
                        json: json!(value),
                        text: value,
                    }
                }
                Some(ExtendedType::InputObject(_)) => self.input(named, depth),
                _ => Placed::string(
                    ["main", "HEAD", "bug", "x \"y\"\n", "2026-01-01"][self.below(5)],
                ),
            },
        }
    }

    fn input(&mut self, named: &str, depth: usize) -> Placed {
        let documents = self.documents;
        let Some(ExtendedType::InputObject(known)) = documents.github.types.get(named) else {
            return Placed::plain(json!(null));
        };
        let listed = match documents.list.types.get(named) {
            Some(ExtendedType::InputObject(one)) => Some(one),
            _ => None,
        };
        let (mut texts, mut json) = (Vec::new(), Map::new());
        for (name, field) in &known.fields {
            let is_listed = listed.and_then(|one| one.fields.get(name));
            let wanted = field.is_required() || (depth < 3 && self.chance(25));
            if !wanted || (self.inside && is_listed.is_none()) {
                continue;
            }
            let value = self.value(&field.ty, is_listed.map(|one| &***one), depth + 1);
            texts.push(format!("{name}: {}", value.text));
            json.insert(name.to_string(), value.json);
        }
        Placed {
            text: format!("{{{}}}", texts.join(", ")),
            json: json.into(),
        }
    }
}

/// A value as a document and as JSON has it.
struct Placed {
    text: String,
    json: Value,
}

impl Placed {
    fn plain(json: Value) -> Self {
        Self {
            text: json.to_string(),
            json,
        }
    }

    fn string(text: &str) -> Self {
        Self::plain(json!(text))
    }
}
