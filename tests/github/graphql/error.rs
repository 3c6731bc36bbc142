//! Errors as GitHub's GraphQL gives them: in the body of an answer with the status 200.

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::GraphQLError;
use serde_json::{Value, json};

/// Why a field was refused.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    kind: &'static str,
    message: String,
}

/// Stands between an error's type and its message while the library has it, which knows of no types.
const MARK: char = '\u{1}';

impl Refused {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NOT_FOUND", message)
    }

    /// No object has this id, or none that the caller may see.
    pub(super) fn no_node(id: &str) -> Self {
        Self::not_found(format!(
            "Could not resolve to a node with the global id of '{id}'"
        ))
    }

    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new("UNPROCESSABLE", message)
    }

    pub(super) fn at(&self, path: Value) -> Value {
        json!({ "type": self.kind, "path": path, "message": self.message })
    }
}

impl From<Refused> for FieldError {
    fn from(refused: Refused) -> Self {
        let message = format!("{}{MARK}{}", refused.kind, refused.message);
        Self { message }
    }
}

/// An error of a field, with its type first.
pub(super) fn of_field(error: &GraphQLError) -> Value {
    let mut json = as_json(error);
    let message = error.message.strip_prefix("resolver error: ");
    if let Some((kind, message)) = message.and_then(|message| message.split_once(MARK)) {
        json["type"] = json!(kind);
        json["message"] = json!(message);
    } else {
        // The stand-in's own mistake: what it found is not of the field's type.
        json["type"] = json!("INTERNAL");
    }
    json
}

/// An error of a document that is not carried out.
pub(super) fn of_document(error: &GraphQLError) -> Value {
    let mut json = as_json(error);
    let quoted: Vec<&str> = error.message.split('`').collect();
    if let [start, kind, " does not have a field ", field, ..] = quoted[..]
        && start.starts_with("type")
    {
        json["message"] = json!(format!("Field '{field}' doesn't exist on type '{kind}'"));
        json["extensions"] =
            json!({ "code": "undefinedField", "typeName": kind, "fieldName": field });
    }
    json
}

fn as_json(error: &GraphQLError) -> Value {
    serde_json::to_value(error).unwrap()
}
