//! Writes a document from what was evaluated, as one line.

use super::syntax::{Condition, Kind, Operation, Value};

pub(super) fn head(operation: &Operation, out: &mut String) {
    out.push_str(match operation.kind {
        Kind::Query => "query",
        Kind::Mutation => "mutation",
    });
    if let Some(name) = &operation.name {
        out.push(' ');
        out.push_str(name);
    }
    if operation.variables.is_empty() {
        return;
    }
    out.push('(');
    for variable in &operation.variables {
        out.extend(["$", &variable.name, ":", &variable.type_text]);
        if let Some(default) = &variable.default {
            out.push('=');
            value(default, out);
        }
        out.push(' ');
    }
    out.push(')');
}

pub(super) fn conditions(conditions: &[Condition], out: &mut String) {
    for condition in conditions {
        out.extend(["@", &condition.directive, "(if:"]);
        value(&condition.value, out);
        out.push(')');
    }
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
