//! GraphQL documents at random, from GitHub's public schema and from the list of what stays inside a lease.
//!
//! A document is written from a number, so a test that fails names it. Some go only where the list goes, with what
//! is within the lease; the others go anywhere that the schema goes, and mostly where the list does.

mod values;
mod writer;

use std::fs;
use std::path::Path;

use apollo_compiler::Schema;
use apollo_compiler::ast::FieldDefinition;
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

use self::writer::Writer;

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
            inside: number.is_multiple_of(3),
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
