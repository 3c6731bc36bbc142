//! A document as it was read: the whole of it, or none.
//!
//! The parser is a library's, complete and bounded. What it makes of the text is taken over into these types,
//! which hold nothing that could mean two things: a name that stands twice where it may stand once is refused
//! here.

use std::collections::{BTreeMap, BTreeSet};

use apollo_parser::cst;
use apollo_parser::{Error, Parser, SyntaxTree};

use super::NotRead;

/// Ours. Some ten for a field, of which there may be 5 000.
const MOST_TOKENS: usize = 60_000;
/// Ours: selections in selections, values in values, types in types, as the parser counts them. Three for each of
/// the levels that a document may have.
const DEEPEST: usize = 64;

/// Ours: in variables, and again in arguments.
pub(super) const MOST_VALUES: usize = 20_000;

/// A document.
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: Fragments,
}

/// By name.
pub(super) type Fragments = BTreeMap<String, Fragment>;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads.
    Query,
    /// Writes.
    Mutation,
}

pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    pub(super) variables: Vec<VariableDefinition>,
    pub(super) selections: Vec<Selection>,
}

pub(super) struct VariableDefinition {
    pub(super) name: String,
    /// As it stands there, such as `[ID!]!`.
    pub(super) type_text: String,
    /// Without lists and exclamation marks.
    pub(super) named: String,
    /// The parser takes no variable in it.
    pub(super) default: Option<Value>,
}

pub(super) struct Fragment {
    pub(super) on: String,
    pub(super) selections: Vec<Selection>,
}

pub(super) enum Selection {
    Field(Field),
    Spread {
        name: String,
        conditions: Vec<Condition>,
    },
    Inline {
        on: Option<String>,
        conditions: Vec<Condition>,
        selections: Vec<Self>,
    },
}

pub(super) struct Field {
    pub(super) alias: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
    pub(super) conditions: Vec<Condition>,
    pub(super) selections: Vec<Selection>,
}

/// `@skip` or `@include`: no other directive is known here.
pub(super) struct Condition {
    pub(super) directive: String,
    pub(super) value: Value,
}

/// A value in a document, or one of its variables' in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Variable(String),
    /// As it stands there: whole or not.
    Number(String),
    String(String),
    Boolean(bool),
    Null,
    Enum(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, NotRead> {
        let parser = Parser::new(text)
            .token_limit(MOST_TOKENS)
            .recursion_limit(DEEPEST);
        let tree = parser.parse();
        if let Some(error) = tree.errors().next() {
            return Err(unparsed(error, text));
        }
        Self::of(&tree)
    }

    fn of(tree: &SyntaxTree) -> Result<Self, NotRead> {
        let mut document = Self {
            operations: Vec::new(),
            fragments: Fragments::new(),
        };
        for definition in tree.document().definitions() {
            if let cst::Definition::OperationDefinition(operation) = &definition {
                document.operations.push(Operation::of(operation)?);
            } else if let cst::Definition::FragmentDefinition(fragment) = &definition {
                let (name, fragment) = Fragment::of(fragment)?;
                if document.fragments.contains_key(&name) {
                    return Err(NotRead::Twice(format!("fragment `{name}`")));
                }
                document.fragments.insert(name, fragment);
            } else {
                return Err(NotRead::NoOperation(
                    "a definition of a type, a schema or a directive",
                ));
            }
        }
        let names = document.operations.iter();
        let names = names.map(|operation| operation.name.as_deref().unwrap_or_default());
        once("operation", names)?;
        Ok(document)
    }
}

impl Fragment {
    fn of(fragment: &cst::FragmentDefinition) -> Result<(String, Self), NotRead> {
        refuse_directives(fragment.directives())?;
        let name = name(fragment.fragment_name().and_then(|name| name.name()))?;
        let read = Self {
            on: condition(fragment.type_condition())?,
            selections: selections(fragment.selection_set())?,
        };
        Ok((name, read))
    }
}

impl Operation {
    fn of(operation: &cst::OperationDefinition) -> Result<Self, NotRead> {
        let kind = match operation.operation_type() {
            None => Kind::Query,
            Some(kind) if kind.query_token().is_some() => Kind::Query,
            Some(kind) if kind.mutation_token().is_some() => Kind::Mutation,
            Some(_) => return Err(NotRead::NoOperation("a subscription")),
        };
        refuse_directives(operation.directives())?;
        let definitions = operation.variable_definitions();
        let definitions = definitions.into_iter();
        let definitions = definitions.flat_map(|all| all.variable_definitions());
        let variables = definitions.map(|one| VariableDefinition::of(&one));
        let variables = variables.collect::<Result<Vec<_>, _>>()?;
        once("variable", variables.iter().map(|one| one.name.as_str()))?;
        Ok(Self {
            kind,
            name: operation.name().map(|name| name.text().to_string()),
            variables,
            selections: selections(operation.selection_set())?,
        })
    }
}

impl VariableDefinition {
    fn of(definition: &cst::VariableDefinition) -> Result<Self, NotRead> {
        refuse_directives(definition.directives())?;
        let (type_text, named) = type_of(definition.ty())?;
        let default = definition.default_value().map(|value| value.value());
        let default = default.map(Value::of).transpose()?;
        let name = name(definition.variable().and_then(|variable| variable.name()))?;
        Ok(Self {
            name,
            type_text,
            named,
            default,
        })
    }
}

impl Field {
    fn of(field: &cst::Field) -> Result<Self, NotRead> {
        let alias = field.alias().map(|alias| name(alias.name())).transpose()?;
        Ok(Self {
            alias,
            name: name(field.name())?,
            arguments: arguments(field.arguments())?,
            conditions: conditions(field.directives())?,
            selections: match field.selection_set() {
                Some(set) => selections(Some(set))?,
                None => Vec::new(),
            },
        })
    }
}

impl Value {
    fn of(value: Option<cst::Value>) -> Result<Self, NotRead> {
        let number = |token: Option<apollo_parser::SyntaxToken>| {
            let token = token.ok_or(NotRead::Incomplete)?;
            Ok(Self::Number(token.text().to_owned()))
        };
        match value.ok_or(NotRead::Incomplete)? {
            cst::Value::Variable(variable) => Ok(Self::Variable(name(variable.name())?)),
            cst::Value::StringValue(text) => Ok(Self::String(String::from(&text))),
            cst::Value::IntValue(whole) => number(whole.int_token()),
            cst::Value::FloatValue(number_) => number(number_.float_token()),
            cst::Value::BooleanValue(value) => Ok(Self::Boolean(value.true_token().is_some())),
            cst::Value::NullValue(_) => Ok(Self::Null),
            cst::Value::EnumValue(value) => Ok(Self::Enum(name(value.name())?)),
            cst::Value::ListValue(list) => {
                let values = list.values().map(|value| Self::of(Some(value)));
                Ok(Self::List(values.collect::<Result<_, _>>()?))
            }
            cst::Value::ObjectValue(object) => {
                let fields = object.object_fields();
                let fields =
                    fields.map(|field| Ok((name(field.name())?, Self::of(field.value())?)));
                let fields = fields.collect::<Result<Vec<_>, _>>()?;
                once("input field", fields.iter().map(|(name, _)| name.as_str()))?;
                Ok(Self::Object(fields))
            }
        }
    }
}

impl Value {
    /// Adds the variables in it.
    pub(super) fn variables<'a>(&'a self, to: &mut BTreeSet<&'a str>) {
        match self {
            Self::Variable(name) => {
                to.insert(name);
            }
            Self::List(values) => values.iter().for_each(|value| value.variables(to)),
            Self::Object(fields) => fields.iter().for_each(|(_, value)| value.variables(to)),
            Self::Number(_) | Self::String(_) | Self::Boolean(_) | Self::Null | Self::Enum(_) => {}
        }
    }
}

impl Value {
    /// A variable's value. `None` once there are more than [`MOST_VALUES`].
    pub(super) fn of_json(json: &serde_json::Value, count: &mut usize) -> Option<Self> {
        *count += 1;
        if *count > MOST_VALUES {
            return None;
        }
        Some(match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Boolean(*value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::String(text.clone()),
            serde_json::Value::Array(values) => {
                let values = values.iter().map(|value| Self::of_json(value, count));
                Self::List(values.collect::<Option<_>>()?)
            }
            serde_json::Value::Object(fields) => {
                let fields = fields.iter();
                let fields =
                    fields.map(|(name, value)| Some((name.clone(), Self::of_json(value, count)?)));
                Self::Object(fields.collect::<Option<_>>()?)
            }
        })
    }
}

fn selections(set: Option<cst::SelectionSet>) -> Result<Vec<Selection>, NotRead> {
    let set = set.ok_or(NotRead::Incomplete)?;
    let selections = set.selections().map(|selection| match selection {
        cst::Selection::Field(field) => Ok(Selection::Field(Field::of(&field)?)),
        cst::Selection::FragmentSpread(spread) => Ok(Selection::Spread {
            name: name(spread.fragment_name().and_then(|name| name.name()))?,
            conditions: conditions(spread.directives())?,
        }),
        cst::Selection::InlineFragment(inline) => {
            let on = inline.type_condition();
            Ok(Selection::Inline {
                on: on.map(|on| condition(Some(on))).transpose()?,
                conditions: conditions(inline.directives())?,
                selections: selections(inline.selection_set())?,
            })
        }
    });
    let selections = selections.collect::<Result<Vec<_>, _>>()?;
    if selections.is_empty() {
        return Err(NotRead::Incomplete);
    }
    Ok(selections)
}

fn arguments(arguments: Option<cst::Arguments>) -> Result<Vec<(String, Value)>, NotRead> {
    let arguments = arguments.into_iter().flat_map(|all| all.arguments());
    let arguments = arguments.map(|one| Ok((name(one.name())?, Value::of(one.value())?)));
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    once("argument", arguments.iter().map(|(name, _)| name.as_str()))?;
    Ok(arguments)
}

/// Each directive may stand once.
fn conditions(directives: Option<cst::Directives>) -> Result<Vec<Condition>, NotRead> {
    let directives = directives.into_iter().flat_map(|all| all.directives());
    let conditions = directives.map(|one| {
        let directive = name(one.name())?;
        let mut arguments = arguments(one.arguments())?.into_iter();
        match (directive.as_str(), arguments.next(), arguments.next()) {
            ("skip" | "include", Some((of, value)), None) if of == "if" => {
                Ok(Condition { directive, value })
            }
            _ => Err(NotRead::Directive(directive)),
        }
    });
    let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
    let names = conditions.iter().map(|one| one.directive.as_str());
    once("directive", names)?;
    Ok(conditions)
}

/// Where none is known here.
fn refuse_directives(directives: Option<cst::Directives>) -> Result<(), NotRead> {
    match directives.and_then(|all| all.directives().next()) {
        Some(directive) => Err(NotRead::Directive(name(directive.name())?)),
        None => Ok(()),
    }
}

fn condition(condition: Option<cst::TypeCondition>) -> Result<String, NotRead> {
    name(condition.and_then(|on| on.named_type()?.name()))
}

/// A type as it stands there, and the name in it.
fn type_of(ty: Option<cst::Type>) -> Result<(String, String), NotRead> {
    let list = |list: cst::ListType| {
        let (text, named) = type_of(list.ty())?;
        Ok((format!("[{text}]"), named))
    };
    let plain = |named: Option<cst::NamedType>| {
        let named = name(named.and_then(|named| named.name()))?;
        Ok((named.clone(), named))
    };
    match ty.ok_or(NotRead::Incomplete)? {
        cst::Type::NamedType(named) => plain(Some(named)),
        cst::Type::ListType(inner) => list(inner),
        cst::Type::NonNullType(inner) => {
            let (text, named) = match inner.list_type() {
                Some(inner) => list(inner)?,
                None => plain(inner.named_type())?,
            };
            Ok((format!("{text}!"), named))
        }
    }
}

fn name(name: Option<cst::Name>) -> Result<String, NotRead> {
    let name = name.ok_or(NotRead::Incomplete)?;
    Ok(name.text().to_string())
}

fn once<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), NotRead> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => {
            let name = pair.first().copied().unwrap_or_default();
            Err(NotRead::Twice(format!("{what} `{name}`")))
        }
        None => Ok(()),
    }
}

fn unparsed(error: &Error, text: &str) -> NotRead {
    if error.is_limit() {
        return NotRead::TooLarge;
    }
    let before = text.get(..error.index()).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    NotRead::Syntax {
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}
