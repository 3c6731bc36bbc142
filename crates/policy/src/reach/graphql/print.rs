//! Writes a document from what was evaluated, as one line.

use std::collections::BTreeSet;

use super::syntax::{Kind, Operation, Value};

/// `used`: its variables that stand in what goes on. GitHub takes no others.
pub(super) fn head(operation: &Operation, used: &BTreeSet<&str>) -> String {
    let mut out = String::new();
    out.push_str(match operation.kind {
        Kind::Query => "query",
        Kind::Mutation => "mutation",
    });
    if let Some(name) = &operation.name {
        out.push(' ');
        out.push_str(name);
    }
    if used.is_empty() {
        return out;
    }
    out.push('(');
    let variables = operation.variables.iter();
    for variable in variables.filter(|variable| used.contains(variable.name.as_str())) {
        out.extend(["$", &variable.name, ":", &variable.type_text]);
        if let Some(default) = &variable.default {
            out.push('=');
            value(default, &mut out);
        }
        out.push(' ');
    }
    out.push(')');
    out
}

pub(super) fn value(of: &Value, out: &mut String) {
    match of {
        Value::Variable(name) => out.extend(["$", name]),
        Value::Number(text) | Value::Enum(text) => out.push_str(text),
        Value::String(text) => string(text, out),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::List(values) => {
            out.push('[');
            for one in values {
                value(one, out);
                out.push(' ');
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (name, one) in fields {
                out.extend([name, ":"]);
                value(one, out);
                out.push(' ');
            }
            out.push('}');
        }
    }
}

/// Source: the GraphQL specification, section 2.9.4, “String Value”.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
