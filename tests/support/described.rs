//! Answers, held to what `docs/openapi.json` says of them.

use jiff::Timestamp;
use serde_json::Value;

use crate::AnyBroker;
use crate::http::Answer;

/// The document.
pub const DOCUMENT: &str = include_str!("../../docs/openapi.json");

/// The document, parsed.
///
/// # Panics
///
/// If it is no JSON.
#[must_use]
pub fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Follows `$ref`s.
///
/// # Panics
///
/// If one leads nowhere.
pub fn resolved<'a>(document: &'a Value, mut node: &'a Value) -> &'a Value {
    while let Some(reference) = node.get("$ref") {
        let pointer = reference.as_str().unwrap().trim_start_matches('#');
        node = document
            .pointer(pointer)
            .expect("a reference leads somewhere");
    }
    node
}

/// Says where a value is not what a schema describes. A keyword it does not know is a failure, so
/// that none is passed over.
///
/// # Panics
///
/// There.
pub fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let whole = schema;
    let schema = resolved(document, schema).as_object().unwrap();
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "description" | "examples" | "default" | "example" => {}
            // Something or nothing.
            "oneOf" => {
                let kinds = rule.as_array().unwrap();
                assert_eq!(kinds[1], serde_json::json!({"type": "null"}), "{place}");
                if !value.is_null() {
                    check(document, &kinds[0], value, place);
                }
            }
            // The broker's own types hold names to these; here only that it is text.
            "pattern" | "contentMediaType" => {
                assert!(value.is_null() || value.is_string(), "{place}");
            }
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("{other}"),
                };
                let one_of = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                assert!(one_of.iter().any(is), "{place} is {value}, not {rule}");
            }
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{place}: {value}"),
            "const" => assert_eq!(rule, value, "{place}"),
            "format" => {
                assert_eq!(rule, "date-time", "{place}");
                if let Some(text) = value.as_str() {
                    assert!(
                        text.ends_with('Z') && text.parse::<Timestamp>().is_ok(),
                        "{text}"
                    );
                }
            }
            "minimum" if value.is_number() => assert!(value.as_i64() >= rule.as_i64(), "{place}"),
            "maximum" if value.is_number() => assert!(value.as_i64() <= rule.as_i64(), "{place}"),
            "minLength" if value.is_string() => {
                assert!(
                    value.as_str().unwrap().len() as u64 >= rule.as_u64().unwrap(),
                    "{place}"
                );
            }
            "maxLength" if value.is_string() => {
                assert!(
                    value.as_str().unwrap().len() as u64 <= rule.as_u64().unwrap(),
                    "{place}"
                );
            }
            "minimum" | "maximum" | "minLength" | "maxLength" => {}
            "required" if value.is_object() => {
                for field in rule.as_array().unwrap() {
                    let field = field.as_str().unwrap();
                    assert!(value.get(field).is_some(), "{place} lacks {field}: {value}");
                }
            }
            "properties" if value.is_object() => {
                for (field, value) in value.as_object().unwrap() {
                    let place = format!("{place}.{field}");
                    match rule.get(field) {
                        Some(schema) => check(document, schema, value, &place),
                        None => assert!(
                            schema.contains_key("additionalProperties"),
                            "{place} is not documented: {whole}"
                        ),
                    }
                }
            }
            "additionalProperties" if value.is_object() => {
                let known = schema.get("properties");
                for (field, value) in value.as_object().unwrap() {
                    if known.and_then(|known| known.get(field)).is_none() {
                        assert_ne!(rule, false, "{place}.{field}");
                        check(document, rule, value, &format!("{place}.{field}"));
                    }
                }
            }
            "items" if value.is_array() => {
                for (index, value) in value.as_array().unwrap().iter().enumerate() {
                    check(document, rule, value, &format!("{place}[{index}]"));
                }
            }
            "propertyNames" | "required" | "properties" | "additionalProperties" | "items" => {}
            other => panic!("{place}: the keyword `{other}` is not checked"),
        }
    }
}

/// A lease for `label-sync`, or why there is none.
pub fn lease(broker: &impl AnyBroker) -> (u16, Value) {
    let body = r#"{"purpose":"label-sync"}"#;
    ask(broker, "POST", "/v1/leases", "/v1/leases", body)
}

/// Sends a request and holds the answer to what the document says of it.
///
/// # Panics
///
/// If it is another answer than that.
pub fn ask(
    broker: &impl AnyBroker,
    method: &str,
    template: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    answered(method, template, path, broker.http(method, path, body))
}

fn answered(method: &str, template: &str, path: &str, answer: Answer) -> (u16, Value) {
    let document = document();
    let place = format!("{method} {path} -> {}", answer.status);
    let operation = &document["paths"][template][method.to_lowercase()];
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{place} is not documented");
    let response = resolved(&document, response);
    let Some(content) = response.get("content") else {
        assert!(answer.body.is_empty(), "{place}");
        return (answer.status, Value::Null);
    };
    let kind = answer.header("content-type").unwrap();
    let kind = kind.split(';').next().unwrap();
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{place}: {kind} is not documented");
    let value = if kind.ends_with("json") {
        answer.json()
    } else if kind == "application/octet-stream" {
        assert!(!answer.body.is_empty(), "{place}");
        Value::String(String::new())
    } else {
        Value::String(String::from_utf8(answer.body).unwrap())
    };
    check(&document, schema, &value, &place);
    (answer.status, value)
}
