//! GraphQL documents at random, from GitHub's public schema and from the list of what stays inside a lease.
//!
//! A document is written from a number, so a test that fails names it. Some go only where the list goes, with what
//! is within the lease; the others go anywhere that the schema goes, and mostly where the list does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use apollo_compiler::Schema;
use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

/// What documents are written from.
pub struct Documents {
    github: Schema,
    list: Schema,
    /// What stands for a repository, an organisation and ids: within the lease, and outside it.
    pub names: Names,
}

/// What a document may name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The repository of the lease.
    pub repository: String,
    /// Repositories outside it.
    pub other_repositories: Vec<String>,
    /// The organisation of the lease.
    pub organization: String,
    /// An organisation outside it.
    pub other_organization: String,
    /// Ids of what is within it.
    pub ids: Vec<String>,
    /// Ids of what is outside it.
    pub other_ids: Vec<String>,
}

/// One document, with its variables.
#[derive(Debug)]
pub struct Written {
    /// As it is sent.
    pub body: Value,
    /// Whether it goes only where the list goes, so that a lease with every permission allows it.
    pub inside: bool,
}

impl Documents {
    /// From GitHub's schema in this file, and the list in this directory.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn new(schema: &Path, list: &Path, names: Names) -> Self {
        let mut files: Vec<_> = fs::read_dir(list)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        Self {
            github: parsed(&fs::read_to_string(schema).unwrap()),
            list: parsed(&texts.collect::<String>()),
            names,
        }
    }

    /// Whether a field of a type may be read of what stands outside a lease.
    #[must_use]
    pub fn is_anywhere(&self, named: &str, field: &str) -> bool {
        let Some(of) = self.list.types.get(named) else {
            return false;
        };
        let of_type = of.directives().has("anywhere");
        of_type
            || field_of(&self.list, named, field).is_some_and(|one| one.directives.has("anywhere"))
    }

    /// The document of a number.
    #[must_use]
    pub fn write(&self, number: u64) -> Written {
        let mut writer = Writer {
            documents: self,
            random: number,
            inside: number % 3 == 0,
            left: 40,
            aliases: 0,
            variables: Vec::new(),
            fragments: Vec::new(),
        };
        let mutation = writer.chance(40);
        let root = if mutation { "Mutation" } else { "Query" };
        let mut selections = String::new();
        for _ in 0..=writer.below(3) {
            selections.push_str(&writer.root(root));
        }
        let defined: String = writer
            .variables
            .iter()
            .map(|(name, ty, _)| format!("${name}: {ty} "))
            .collect();
        let defined = if defined.is_empty() {
            defined
        } else {
            format!("({defined})")
        };
        let word = if mutation { "mutation" } else { "query" };
        let fragments = writer.fragments.concat();
        let variables: Map<_, _> = writer
            .variables
            .into_iter()
            .map(|(name, _, value)| (name, value))
            .collect();
        Written {
            body: json!({ "query": format!("{word} Q{defined} {{ {selections} }} {fragments}"), "variables": variables }),
            inside: writer.inside,
        }
    }
}

fn parsed(text: &str) -> Schema {
    Schema::parse(text, "schema.graphql").unwrap_or_else(|errors| errors.partial)
}

fn fields<'s>(schema: &'s Schema, named: &str) -> Vec<&'s FieldDefinition> {
    match schema.types.get(named) {
        Some(ExtendedType::Object(object)) => object.fields.values().map(|one| &***one).collect(),
        Some(ExtendedType::Interface(interface)) => {
            interface.fields.values().map(|one| &***one).collect()
        }
        _ => Vec::new(),
    }
}

fn field_of<'s>(schema: &'s Schema, named: &str, field: &str) -> Option<&'s FieldDefinition> {
    fields(schema, named)
        .into_iter()
        .find(|one| one.name == field)
}

/// What writes one document.
struct Writer<'d> {
    documents: &'d Documents,
    random: u64,
    inside: bool,
    /// How many fields it may still have.
    left: usize,
    aliases: usize,
    variables: Vec<(String, String, Value)>,
    fragments: Vec<String>,
}

impl Writer<'_> {
    /// SplitMix64, of Steele, Lea and Flood.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len());
        all[at].clone()
    }

    fn root(&mut self, root: &str) -> String {
        let listed = fields(&self.documents.list, root);
        let starts: Vec<_> = match root {
            "Query" if self.inside || self.chance(80) => {
                ["repository", "organization"].map(str::to_owned).to_vec()
            }
            _ if self.inside || self.chance(80) => {
                listed.iter().map(|one| one.name.to_string()).collect()
            }
            _ => fields(&self.documents.github, root)
                .iter()
                .map(|one| one.name.to_string())
                .collect(),
        };
        let name = self.one_of(&starts);
        field_of(&self.documents.github, root, &name)
            .map_or_else(String::new, |_| self.field(root, &name, false, 0))
    }

    /// The fields of a type that may be asked for here.
    fn askable(&mut self, named: &str, outside: bool) -> Vec<String> {
        let documents = self.documents;
        let anything = !self.inside && self.chance(15);
        let schema = if anything {
            &documents.github
        } else {
            &documents.list
        };
        let strict = self.inside;
        // The lease does not hold all repositories of an owner.
        let all = fields(schema, named).into_iter();
        let all = all.filter(|one| !strict || !one.directives.has("all"));
        let all = all.map(|one| one.name.to_string());
        all.filter(|field| !strict || !outside || documents.is_anywhere(named, field))
            .collect()
    }

    fn selection(&mut self, named: &str, outside: bool, depth: usize) -> String {
        let mut selected = "__typename ".to_owned();
        for concrete in self.concrete(named) {
            let mut asked = BTreeSet::new();
            let mut inner = String::new();
            let askable = self.askable(&concrete, outside);
            for _ in 0..=self.below(4) {
                if askable.is_empty() || self.left == 0 {
                    break;
                }
                let field = self.one_of(&askable);
                if asked.insert(field.clone()) {
                    inner.push_str(&self.field(&concrete, &field, outside, depth));
                }
            }
            if inner.is_empty() {
                continue;
            }
            if self.chance(10) {
                let name = format!("F{}", self.fragments.len());
                self.fragments
                    .push(format!("fragment {name} on {concrete} {{ {inner} }} "));
                write!(selected, "...{name} ").unwrap();
            } else if concrete != named || self.chance(10) {
                let include = if self.chance(20) {
                    "@include(if: true) "
                } else {
                    ""
                };
                write!(selected, "... on {concrete} {include}{{ {inner} }} ").unwrap();
            } else {
                selected.push_str(&inner);
            }
        }
        selected
    }

    /// A type, or some of those that it may be.
    fn concrete(&mut self, named: &str) -> Vec<String> {
        let github = &self.documents.github;
        let members: Vec<String> = match github.types.get(named) {
            Some(ExtendedType::Union(union)) => union
                .members
                .iter()
                .map(|one| one.name.to_string())
                .collect(),
            Some(ExtendedType::Interface(_)) if self.chance(50) => {
                let implementers = github.implementers_map();
                let of = implementers.get(named);
                of.map(|of| of.objects.iter().map(ToString::to_string).collect())
                    .unwrap_or_default()
            }
            _ => vec![named.to_owned()],
        };
        let listed: Vec<_> = members
            .iter()
            .filter(|one| self.documents.list.types.contains_key(one.as_str()))
            .cloned()
            .collect();
        let some = if listed.is_empty() || (!self.inside && self.chance(10)) {
            members
        } else {
            listed
        };
        if some.is_empty() {
            return Vec::new();
        }
        (0..2)
            .map(|_| self.one_of(&some))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    fn field(&mut self, of: &str, name: &str, outside: bool, depth: usize) -> String {
        let documents = self.documents;
        let Some(known) = field_of(&documents.github, of, name) else {
            return String::new();
        };
        let listed = field_of(&documents.list, of, name);
        self.left = self.left.saturating_sub(1);
        let arguments = self.arguments(of, known, listed);
        let outside = outside || listed.is_some_and(|one| one.directives.has("outside"));
        let gives = known.ty.inner_named_type().as_str();
        let is_leaf = matches!(
            documents.github.types.get(gives),
            Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)) | None
        );
        let below = match is_leaf {
            true => String::new(),
            false if depth > 9 || self.left == 0 => "{ __typename }".to_owned(),
            false => format!("{{ {} }}", self.selection(gives, outside, depth + 1)),
        };
        let alias = if arguments.is_empty() {
            String::new()
        } else {
            self.alias()
        };
        let skip = if self.chance(3) {
            "@skip(if: false) "
        } else {
            ""
        };
        format!("{alias}{name}{arguments} {skip}{below} ")
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}: ", self.aliases)
    }

    fn arguments(
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
                _ => self.value(
                    &argument.ty,
                    argument.name.as_str(),
                    is_listed.map(|one| &**one),
                    0,
                ),
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

    fn value(
        &mut self,
        ty: &Type,
        name: &str,
        listed: Option<&InputValueDefinition>,
        depth: usize,
    ) -> Placed {
        if ty.is_list() {
            let inner = ty.item_type().clone();
            let values: Vec<_> = (0..self.below(3))
                .map(|_| self.value(&inner, name, listed, depth))
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
            let value = self.value(&field.ty, name, is_listed.map(|one| &***one), depth + 1);
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
