//! GitHub's public schema, read once in a process.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use apollo_compiler::Schema;
use apollo_compiler::ast::NamedType;
use apollo_compiler::collections::HashMap;
use apollo_compiler::schema::{ExtendedType, Implementers};
use apollo_compiler::validation::Valid;

/// A schema, and which types implement which interface.
pub(super) struct Known {
    pub(super) schema: Valid<Schema>,
    pub(super) implementers: HashMap<NamedType, Implementers>,
}

/// The schema in this file.
pub(super) fn read(path: &Path) -> Result<&'static Known, String> {
    static KNOWN: OnceLock<Mutex<BTreeMap<PathBuf, &'static Known>>> = OnceLock::new();
    let mut all = KNOWN.get_or_init(Mutex::default).lock().unwrap();
    if let Some(known) = all.get(path) {
        return Ok(known);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("schema `{}` not read: {error}", path.display()))?;
    let invalid = |errors: &dyn Display| format!("schema `{}` not valid: {errors}", path.display());
    let schema = match Schema::parse(text, path) {
        Ok(schema) => schema,
        // As published, a few fields are there twice; the first of each counts.
        Err(twice) if twice.errors.iter().all(|error| is_repetition(&error.error)) => twice.partial,
        Err(other) => return Err(invalid(&other.errors)),
    };
    let schema = schema.validate().map_err(|error| invalid(&error.errors))?;
    let implementers = schema.implementers_map();
    let known = Known {
        schema,
        implementers,
    };
    let known = &*Box::leak(Box::new(known));
    all.insert(path.to_owned(), known);
    Ok(known)
}

fn is_repetition(error: &impl Display) -> bool {
    error
        .to_string()
        .starts_with("duplicate definitions for the ")
}

impl Known {
    /// Whether this type is of objects, and not of scalars.
    pub(super) fn has_fields(&self, name: &str) -> bool {
        matches!(
            self.schema.types.get(name),
            Some(ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_))
        )
    }

    /// The types that an object of this type may have, in the order of their names.
    pub(super) fn possible(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = match self.schema.types.get(name) {
            Some(ExtendedType::Object(_)) => vec![name.to_owned()],
            Some(ExtendedType::Interface(_)) => {
                let known = self.implementers.get(name);
                let objects = known.map(|known| known.objects.iter());
                objects
                    .into_iter()
                    .flatten()
                    .map(ToString::to_string)
                    .collect()
            }
            Some(ExtendedType::Union(union)) => union
                .members
                .iter()
                .map(|name| name.name.to_string())
                .collect(),
            _ => Vec::new(),
        };
        names.sort();
        names
    }

    pub(super) fn is(&self, object: &str, interface: &str) -> bool {
        let object = self.schema.get_object(object);
        object.is_some_and(|object| object.implements_interfaces.contains(interface))
    }

    /// The type of a field, without lists and exclamation marks.
    pub(super) fn field_type(&self, object: &str, field: &str) -> Option<&str> {
        let field = self.schema.type_field(object, field).ok()?;
        Some(field.ty.inner_named_type().as_str())
    }
}
