//! Every field of GitHub's schema answers, of every kind of object that can be reached.
//!
//! From the root on, each kind of object is asked for all of its fields at once; the kinds that come back are asked
//! next, by the way on which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition, InputValueDefinition};
use serde_json::Value;

use super::super::super::{StandIn, schema};

/// A field with its arguments, and the kind that it gave.
type Step = (String, String);

#[test]
fn all_of_them_answer() {
    let Some(file) = schema() else { return };
    let text = std::fs::read_to_string(&file).unwrap();
    let schema = Schema::parse(text, "schema").unwrap_or_else(|twice| twice.partial);
    for leads_out in [false, true] {
        let github = StandIn::with_schema(super::world(), &file);
        github.change(|state| {
            state.settings.leads_out = leads_out;
            state.settings.rate_limits = false;
            state.add_milestone("acme/site", "1.0");
        });
        let (asked, missing) = walk(&github, &schema);
        let least = if leads_out { 600 } else { 140 };
        assert!(
            asked.len() >= least,
            "only {} kinds were reached",
            asked.len()
        );
        assert!(missing.is_empty(), "{missing:#?}");
    }
}

/// Kinds that were asked for all their fields, and fields without an answer.
fn walk(github: &StandIn, schema: &Schema) -> (BTreeSet<String>, Vec<String>) {
    let mut asked = BTreeSet::from(["Query".to_owned()]);
    let mut missing = Vec::new();
    let mut next = VecDeque::from([("Query".to_owned(), Vec::<Step>::new())]);
    while let Some((kind, way)) = next.pop_front() {
        let fields = &schema.get_object(&kind).unwrap().fields;
        let mut wanted = BTreeMap::new();
        let mut body = String::from("__typename ");
        for field in fields.values() {
            let name = field.name.as_str();
            let call = format!("{name}{}", arguments(schema, field));
            let leaf = !schema.types[field.ty.inner_named_type()].is_composite();
            body += &format!("{call} {} ", if leaf { "" } else { "{ __typename }" });
            wanted.insert(name.to_owned(), (call, leaf));
        }
        let mut document = body;
        for (call, kind) in way.iter().rev() {
            document = format!("{call} {{ __typename ... on {kind} {{ {document} }} }}");
        }
        let answer = super::post(github, &format!("{{ {document} }}"), &Value::Null);
        for error in answer["errors"].as_array().into_iter().flatten() {
            if error["type"] != "NOT_FOUND" {
                missing.push(format!("{kind}: {error}"));
            }
        }
        let mut found = Vec::new();
        find(&answer["data"], &way, &kind, &mut found);
        if found.is_empty() {
            missing.push(format!("{kind}: not there again, by {way:?}"));
        }
        for object in found {
            for (name, (call, leaf)) in &wanted {
                if object.get(name).is_none() {
                    missing.push(format!("{kind}.{name}"));
                }
                if *leaf {
                    continue;
                }
                let mut kinds = BTreeSet::new();
                kinds_in(&object[name.as_str()], &mut kinds);
                for reached in kinds {
                    if asked.insert(reached.clone()) {
                        let mut way = way.clone();
                        way.push((call.clone(), reached.clone()));
                        next.push_back((reached, way));
                    }
                }
            }
        }
    }
    (asked, missing)
}

trait Composite {
    fn is_composite(&self) -> bool;
}

impl Composite for ExtendedType {
    fn is_composite(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Interface(_) | Self::Union(_))
    }
}

/// The objects of this kind at the end of the way.
fn find<'a>(value: &'a Value, way: &[Step], kind: &str, found: &mut Vec<&'a Value>) {
    match (value, way) {
        (Value::Array(list), _) => list.iter().for_each(|one| find(one, way, kind, found)),
        (Value::Object(fields), []) if fields["__typename"] == kind => found.push(value),
        (Value::Object(fields), [(call, _), rest @ ..]) => {
            let name = call.split('(').next().unwrap();
            if let Some(value) = fields.get(name) {
                find(value, rest, kind, found);
            }
        }
        _ => {}
    }
}

fn kinds_in(value: &Value, kinds: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| kinds_in(one, kinds)),
        Value::Object(fields) => {
            kinds.extend(fields["__typename"].as_str().map(str::to_owned));
        }
        _ => {}
    }
}

/// What a field must be given, and `first`.
fn arguments(schema: &Schema, field: &FieldDefinition) -> String {
    let given = field.arguments.iter().filter_map(|argument| {
        let name = argument.name.as_str();
        let value = match name {
            "first" => "50".to_owned(),
            _ if is_demanded(argument) => value(schema, name, &argument.ty),
            _ => return None,
        };
        Some(format!("{name}: {value}"))
    });
    let given: Vec<String> = given.collect();
    match given.is_empty() {
        true => String::new(),
        false => format!("({})", given.join(", ")),
    }
}

fn is_demanded(argument: &InputValueDefinition) -> bool {
    argument.ty.is_non_null() && argument.default_value.is_none()
}

fn value(schema: &Schema, name: &str, ty: &Type) -> String {
    if ty.is_list() {
        return format!("[{}]", value(schema, name, ty.item_type()));
    }
    match &schema.types[ty.inner_named_type()] {
        ExtendedType::Enum(values) => values.values.keys().next().unwrap().to_string(),
        ExtendedType::InputObject(input) => {
            let fields = input.fields.values().filter(|field| is_demanded(field));
            let fields: Vec<String> = fields
                .map(|field| format!("{}: {}", field.name, value(schema, &field.name, &field.ty)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => match (scalar.name().as_str(), name) {
            ("Int", _) => "1".to_owned(),
            ("Float", _) => "1.0".to_owned(),
            ("Boolean", _) => "true".to_owned(),
            ("URI", _) => r#""https://github.com/acme/site""#.to_owned(),
            (_, "owner" | "login") => r#""acme""#.to_owned(),
            (_, "name") => r#""site""#.to_owned(),
            (_, "qualifiedName") => r#""main""#.to_owned(),
            (_, "refPrefix") => r#""refs/""#.to_owned(),
            (_, "query") => r#""""#.to_owned(),
            _ => r#""x""#.to_owned(),
        },
    }
}
