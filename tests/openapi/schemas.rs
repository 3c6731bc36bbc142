//! Bodies: a JSON schema for each type of `crates/protocol` that a route names.

use std::collections::BTreeMap;

use syn::{Fields, Item, ItemEnum, ItemStruct, Type};

use crate::json::Node;
use crate::source::{Sources, first_paragraph, named, serde_words};

pub(crate) struct Schemas<'s> {
    items: BTreeMap<String, &'s Item>,
    frame: &'s Node,
    used: BTreeMap<String, Option<Node>>,
}

impl<'s> Schemas<'s> {
    pub(crate) fn new(protocol: &'s Sources, frame: &'s Node) -> Self {
        let items = protocol.items().filter_map(|item| match item {
            Item::Struct(of) => Some((of.ident.to_string(), item)),
            Item::Enum(of) => Some((of.ident.to_string(), item)),
            _ => None,
        });
        let mut schemas = Self {
            items: items.collect(),
            frame,
            used: BTreeMap::new(),
        };
        schemas.reference("Problem");
        schemas
    }

    /// Every schema that was named so far, by name.
    pub(crate) fn finish(self) -> Node {
        let more = self.frame.at("constraints");
        for (name, _) in more.fields() {
            assert!(self.used.contains_key(name), "constraints of no `{name}`");
        }
        let schemas = self.used.into_iter().map(|(name, schema)| {
            let mut schema = schema.unwrap();
            if let Some(more) = more.get(&name) {
                for (field, _) in more.get("properties").into_iter().flat_map(Node::fields) {
                    let properties = schema.at("properties");
                    assert!(properties.get(field).is_some(), "{name}.{field}");
                }
                schema.merge(more);
            }
            (name, schema)
        });
        Node::Map(schemas.collect())
    }

    pub(crate) fn reference(&mut self, name: &str) -> Node {
        if !self.used.contains_key(name) {
            self.used.insert(name.to_owned(), None);
            let schema = self.schema(name);
            self.used.insert(name.to_owned(), Some(schema));
        }
        Node::reference("schemas", name)
    }

    fn schema(&mut self, name: &str) -> Node {
        if let Some(schema) = self.frame.at("names").get(name) {
            return schema.clone();
        }
        match self.items.get(name) {
            Some(Item::Struct(of)) => self.object(of),
            Some(Item::Enum(of)) => words(of),
            _ => panic!("`{name}` is neither in crates/protocol nor a name of frame.json"),
        }
    }

    fn object(&mut self, of: &ItemStruct) -> Node {
        let mut fields = Vec::new();
        self.add_fields(of, &mut fields);
        let required = fields.iter().filter(|field| field.required);
        let required: Vec<Node> = required.map(|field| field.name.clone().into()).collect();
        let mut schema = Node::map([
            ("type", "object".into()),
            ("description", first_paragraph(&of.attrs).into()),
        ]);
        if !required.is_empty() {
            schema.set("required", required);
        }
        let properties = fields.into_iter().map(|field| (field.name, field.schema));
        schema.set("properties", Node::Map(properties.collect()));
        if is_request(of) {
            schema.set("additionalProperties", false);
        }
        schema
    }

    fn add_fields(&mut self, of: &ItemStruct, to: &mut Vec<Field>) {
        let Fields::Named(named_fields) = &of.fields else {
            panic!("`{}` has no named fields", of.ident)
        };
        let all_default = serde_words(&of.attrs).contains_key("default");
        for field in &named_fields.named {
            let words = serde_words(&field.attrs);
            if words.contains_key("flatten") {
                let (name, _) = named(&field.ty);
                let Some(Item::Struct(inner)) = self.items.get(&name) else {
                    panic!("`{name}` cannot be flattened")
                };
                self.add_fields(inner, to);
                continue;
            }
            for word in words.keys() {
                let known = ["default", "rename", "skip_serializing_if"].contains(&word.as_str());
                assert!(known, "serde({word}) of `{}` is not understood", of.ident);
            }
            let name = words.get("rename").cloned().flatten();
            let name = name.unwrap_or_else(|| field.ident.as_ref().unwrap().to_string());
            let (outer, inner) = named(&field.ty);
            let skipped = words.contains_key("skip_serializing_if");
            let default = all_default || words.contains_key("default");
            let is_option = outer == "Option";
            // An answer leaves out what it skips; a request may say `null` for it.
            let mut schema = if is_option && skipped && !is_request(of) {
                self.of(inner[0])
            } else {
                self.of(&field.ty)
            };
            if is_request(of) && outer == "bool" {
                schema.set("default", false);
            }
            schema.set("description", first_paragraph(&field.attrs));
            let optional = if is_request(of) {
                default || is_option
            } else {
                skipped
            };
            to.push(Field {
                name,
                schema,
                required: !optional,
            });
        }
    }

    /// Whether a request may leave out its body: nothing in it is required.
    pub(crate) fn may_be_empty(&self, name: &str) -> bool {
        let schema = self.used.get(name).and_then(Option::as_ref);
        schema.is_some_and(|schema| schema.get("required").is_none())
    }

    /// A request's fields as parameters behind the `?`.
    pub(crate) fn parameters(&mut self, name: &str) -> Vec<Node> {
        let Some(Item::Struct(of)) = self.items.get(name) else {
            panic!("there is no `{name}` in crates/protocol")
        };
        let mut fields = Vec::new();
        self.add_fields(of, &mut fields);
        let parameters = fields.into_iter().map(|field| {
            let description = field.schema.at("description").clone();
            let Node::Map(mut schema) = field.schema else {
                unreachable!()
            };
            schema.retain(|(key, _)| key != "description");
            // A parameter is left out; there is no `null` in a query.
            for (key, node) in &mut schema {
                if let ("type", Node::List(types)) = (key.as_str(), &*node) {
                    *node = types[0].clone();
                }
            }
            Node::map([
                ("name", field.name.into()),
                ("in", "query".into()),
                ("required", field.required.into()),
                ("description", description),
                ("schema", Node::Map(schema)),
            ])
        });
        parameters.collect()
    }

    pub(crate) fn of(&mut self, ty: &Type) -> Node {
        if let Type::Reference(reference) = ty {
            return self.of(&reference.elem);
        }
        let (name, inner) = named(ty);
        let integer = |maximum: Option<i64>| {
            let mut schema = Node::map([("type", "integer".into())]);
            if !name.starts_with('i') {
                schema.set("minimum", 0);
            }
            if let Some(maximum) = maximum {
                schema.set("maximum", maximum);
            }
            schema
        };
        match name.as_str() {
            "String" | "str" => Node::map([("type", "string".into())]),
            "Cow" | "Box" => self.of(inner[0]),
            "bool" => Node::map([("type", "boolean".into())]),
            "u16" => integer(Some(u16::MAX.into())),
            "u32" => integer(Some(u32::MAX.into())),
            "u64" | "usize" | "i32" | "i64" => integer(None),
            "Timestamp" => Node::map([("type", "string".into()), ("format", "date-time".into())]),
            "Vec" => {
                let items = self.of(inner[0]);
                Node::map([("type", "array".into()), ("items", items)])
            }
            "BTreeMap" => {
                let values = self.of(inner[1]);
                Node::map([("type", "object".into()), ("additionalProperties", values)])
            }
            "Option" => or_null(self.of(inner[0])),
            name => self.reference(name),
        }
    }
}

struct Field {
    name: String,
    schema: Node,
    required: bool,
}

/// Requests refuse unknown fields, answers may gain some.
fn is_request(of: &ItemStruct) -> bool {
    serde_words(&of.attrs).contains_key("deny_unknown_fields")
}

fn or_null(mut schema: Node) -> Node {
    match schema.get("type") {
        Some(kind) => {
            let kinds = Node::List(vec![kind.clone(), "null".into()]);
            schema.set("type", kinds);
            schema
        }
        None => {
            let null = Node::map([("type", "null".into())]);
            Node::map([("oneOf", Node::List(vec![schema, null]))])
        }
    }
}

/// An enum without fields: one word for each variant, and what it means.
fn words(of: &ItemEnum) -> Node {
    let case = serde_words(&of.attrs).remove("rename_all").flatten();
    let mut description = first_paragraph(&of.attrs);
    let mut words = Vec::new();
    for variant in &of.variants {
        assert!(matches!(variant.fields, Fields::Unit), "{}", of.ident);
        let name = variant.ident.to_string();
        let renamed = serde_words(&variant.attrs).remove("rename").flatten();
        let word = match (renamed, case.as_deref()) {
            (Some(word), _) => word,
            (None, Some("lowercase")) => name.to_lowercase(),
            (None, Some("snake_case")) => snake(&name),
            (None, other) => panic!("rename_all = {other:?} of `{}` is not understood", of.ident),
        };
        description.push_str(&format!(" `{word}`: {}", first_paragraph(&variant.attrs)));
        words.push(Node::from(word));
    }
    Node::map([
        ("type", "string".into()),
        ("enum", Node::List(words)),
        ("description", description.into()),
    ])
}

fn snake(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}
