//! A schema, GitHub's or the list's, as far as the one is held against the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::Path;

use apollo_compiler::Node;
use apollo_compiler::ast::{
    Definition, DirectiveList, Document, FieldDefinition, InputValueDefinition,
};
use apollo_compiler::parser::SourceMap;

/// Types by their names.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) types: BTreeMap<String, Type>,
    /// Where a type is defined again.
    pub(super) again: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Interface,
    Union,
    Input,
    /// A scalar or an enum.
    Leaf,
}

pub(super) struct Type {
    pub(super) kind: Kind,
    /// `issues.graphql:12`
    pub(super) place: String,
    pub(super) directives: BTreeSet<String>,
    /// Those of an input too.
    pub(super) fields: BTreeMap<String, Field>,
    pub(super) interfaces: BTreeSet<String>,
    /// Of a union.
    pub(super) members: BTreeSet<String>,
}

pub(super) struct Field {
    pub(super) place: String,
    /// As written, such as `[Label!]!`.
    pub(super) gives: String,
    /// `Label`
    pub(super) named: String,
    /// Of an argument or an input's field: whether it must be given.
    pub(super) required: bool,
    pub(super) directives: BTreeSet<String>,
    pub(super) arguments: BTreeMap<String, Self>,
}

impl Schema {
    /// Adds what a file defines.
    pub(super) fn read(&mut self, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.add(file.file_name().unwrap().to_str().unwrap(), &text);
    }

    /// Adds what a text defines; `name` stands before its lines.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        let document =
            Document::parse(text, name).unwrap_or_else(|e| panic!("{name}: {}", e.errors));
        let places = Places {
            file: name,
            sources: &document.sources,
        };
        for definition in &document.definitions {
            self.define(definition, &places);
        }
    }

    fn define(&mut self, definition: &Definition, places: &Places<'_>) {
        let fields = |fields: &[Node<FieldDefinition>]| {
            let named = |one: &Node<FieldDefinition>| (one.name.to_string(), places.field(one));
            fields.iter().map(named).collect()
        };
        let mut one = Type {
            kind: Kind::Leaf,
            place: places.of(definition.location()),
            directives: written(definition.directives()),
            fields: BTreeMap::new(),
            interfaces: BTreeSet::new(),
            members: BTreeSet::new(),
        };
        match definition {
            Definition::ObjectTypeDefinition(object) => {
                one.kind = Kind::Object;
                one.fields = fields(&object.fields);
                one.interfaces = names(&object.implements_interfaces);
            }
            Definition::InterfaceTypeDefinition(interface) => {
                one.kind = Kind::Interface;
                one.fields = fields(&interface.fields);
            }
            Definition::UnionTypeDefinition(union) => {
                one.kind = Kind::Union;
                one.members = names(&union.members);
            }
            Definition::InputObjectTypeDefinition(input) => {
                one.kind = Kind::Input;
                one.fields = places.inputs(&input.fields);
            }
            Definition::ScalarTypeDefinition(_) | Definition::EnumTypeDefinition(_) => {}
            Definition::ObjectTypeExtension(more) => {
                let there = self.types.get_mut(more.name.as_str());
                let there = there.unwrap_or_else(|| panic!("{} is defined nowhere", more.name));
                there.fields.extend(fields(&more.fields));
                return;
            }
            Definition::DirectiveDefinition(_) | Definition::SchemaDefinition(_) => return,
            _ => panic!("{}: unexpected", one.place),
        }
        let name = definition.name().unwrap().to_string();
        if let Some(before) = self.types.insert(name, one) {
            self.again.push(before.place);
        }
    }

    /// The types of objects that something of this type may be. What a connection gives are its nodes.
    pub(super) fn possible(&self, named: &str) -> BTreeSet<String> {
        let Some(one) = self.types.get(named) else {
            return BTreeSet::new();
        };
        let through = ["node", "nodes"]
            .iter()
            .find_map(|name| one.fields.get(*name));
        match one.kind {
            Kind::Object if is_page(named) => match through {
                Some(nodes) => self.possible(&nodes.named),
                None => BTreeSet::new(),
            },
            Kind::Object => BTreeSet::from([named.to_owned()]),
            Kind::Union => one.members.clone(),
            Kind::Interface => {
                let all = self.types.iter();
                let implements = all.filter(|(_, other)| other.interfaces.contains(named));
                implements.map(|(name, _)| name.clone()).collect()
            }
            Kind::Input | Kind::Leaf => BTreeSet::new(),
        }
    }

    /// All fields, with the names of their types; not those of inputs.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &Type, &str, &Field)> {
        let types = self.types.iter().filter(|(_, one)| one.kind != Kind::Input);
        types.flat_map(|(name, one)| {
            let fields = one.fields.iter();
            fields.map(move |(field, told)| (name.as_str(), one, field.as_str(), told))
        })
    }
}

impl Field {
    pub(super) fn has(&self, directive: &str) -> bool {
        self.directives.contains(directive)
    }
}

/// Whether this is a connection, or an edge of one.
pub(super) fn is_page(named: &str) -> bool {
    named.ends_with("Connection") || named.ends_with("Edge")
}

struct Places<'f> {
    file: &'f str,
    sources: &'f SourceMap,
}

impl Places<'_> {
    fn of(&self, at: Option<apollo_compiler::parser::SourceSpan>) -> String {
        let line = at.and_then(|at| at.line_column(self.sources));
        format!("{}:{}", self.file, line.map_or(0, |at| at.line))
    }

    fn field(&self, field: &Node<FieldDefinition>) -> Field {
        Field {
            place: self.of(field.location()),
            gives: field.ty.to_string(),
            named: field.ty.inner_named_type().to_string(),
            required: false,
            directives: written(&field.directives),
            arguments: self.inputs(&field.arguments),
        }
    }

    fn inputs(&self, inputs: &[Node<InputValueDefinition>]) -> BTreeMap<String, Field> {
        let input = |input: &Node<InputValueDefinition>| Field {
            place: self.of(input.location()),
            gives: input.ty.to_string(),
            named: input.ty.inner_named_type().to_string(),
            required: input.is_required(),
            directives: written(&input.directives),
            arguments: BTreeMap::new(),
        };
        let named = inputs.iter().map(|one| (one.name.to_string(), input(one)));
        named.collect()
    }
}

fn names<T: Display>(names: &[T]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn written(directives: &DirectiveList) -> BTreeSet<String> {
    directives.iter().map(|one| one.to_string()).collect()
}
