//! What of GitHub's schema is known to stay inside, in the schema's own language: `list/*.graphql`. The
//! language's own part of every schema is `introspection.graphql`.
//!
//! Parsed once, when it is first needed. What does not stand there is refused, so a line that is not understood
//! allows nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use apollo_parser::Parser;
use apollo_parser::cst;
use broker_protocol::names::Permissions;

use crate::reach::said;

/// The types of GitHub's schema, as far as a lease may use them.
pub(super) static LIST: LazyLock<List> = LazyLock::new(|| List::parse(&TEXTS).0);

const TEXTS: [&str; 18] = [
    include_str!("introspection.graphql"),
    include_str!("list/accounts.graphql"),
    include_str!("list/checks.graphql"),
    include_str!("list/git.graphql"),
    include_str!("list/git_mutations.graphql"),
    include_str!("list/issue_mutations.graphql"),
    include_str!("list/issues.graphql"),
    include_str!("list/project_item_mutations.graphql"),
    include_str!("list/project_mutations.graphql"),
    include_str!("list/project_values.graphql"),
    include_str!("list/project_views.graphql"),
    include_str!("list/projects.graphql"),
    include_str!("list/pull_request_mutations.graphql"),
    include_str!("list/pull_requests.graphql"),
    include_str!("list/query.graphql"),
    include_str!("list/repository.graphql"),
    include_str!("list/review_mutations.graphql"),
    include_str!("list/reviews.graphql"),
];

pub(super) struct List(HashMap<String, Type>);

/// An object, an interface, a union or an input.
#[derive(Default)]
pub(super) struct Type {
    fields: HashMap<String, Field>,
    /// The fields of an input.
    inputs: HashMap<String, Argument>,
    /// Whether all of it may be read of what stands outside the lease.
    anywhere: bool,
}

/// A field of a type, or of an input.
#[derive(Default)]
pub(super) struct Field {
    /// The type of its value, or of the elements of that.
    pub(super) named: String,
    /// Sets of permissions, any one of which suffices. None at all: reaching the object does.
    pub(super) needs: Vec<Permissions>,
    /// Whether what it gives may stand outside the lease.
    pub(super) outside: bool,
    /// Whether it may be read of what stands outside the lease.
    pub(super) anywhere: bool,
    /// Whether it is about all repositories of an organisation.
    pub(super) all: bool,
    pub(super) arguments: Vec<Argument>,
}

/// An argument, or a field of an input.
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) named: String,
    pub(super) holds: Holds,
}

/// What a value names that the lease has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// Nothing, unless it is an input whose fields do.
    Nothing,
    /// Something by its id.
    Id,
    /// A repository, by `owner/name`.
    Repository,
    /// A branch: of the repository itself, or of one of `OWNER:branch`.
    Head,
    /// The title of a draft: GitHub puts an issue there whose address it is.
    Title,
}

impl List {
    /// The list, and what of it was not understood.
    fn parse(texts: &[&str]) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let mut types: HashMap<String, Type> = HashMap::new();
        for text in texts {
            let tree = Parser::new(text).parse();
            faults.extend(tree.errors().map(|error| format!("{error:?}")));
            for definition in tree.document().definitions() {
                if let Some((name, read)) = read(&definition, &mut faults) {
                    let known = types.entry(name).or_default();
                    known.anywhere |= read.anywhere;
                    known.fields.extend(read.fields);
                    known.inputs.extend(read.inputs);
                }
            }
        }
        (Self(types), faults)
    }

    /// A type that has fields: any other name is a scalar's or an enum's.
    pub(super) fn find(&self, name: &str) -> Option<&Type> {
        self.0.get(name)
    }
}

impl Type {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// The fields of an input.
    pub(super) fn input(&self, name: &str) -> Option<&Argument> {
        self.inputs.get(name)
    }

    /// Whether a field of it may be read of what stands outside the lease.
    pub(super) const fn anywhere(&self, field: &Field) -> bool {
        self.anywhere || field.anywhere
    }
}

fn read(definition: &cst::Definition, faults: &mut Vec<String>) -> Option<(String, Type)> {
    let name = definition.name().map(|name| name.text().to_string());
    let (fields, directives) = match definition {
        // They say what the others mean.
        cst::Definition::DirectiveDefinition(_) => return None,
        cst::Definition::ObjectTypeDefinition(one) => (one.fields_definition(), one.directives()),
        cst::Definition::ObjectTypeExtension(one) => (one.fields_definition(), one.directives()),
        cst::Definition::InterfaceTypeDefinition(one) => {
            (one.fields_definition(), one.directives())
        }
        cst::Definition::UnionTypeDefinition(one) => (None, one.directives()),
        cst::Definition::InputObjectTypeDefinition(one) => {
            let fields = one.input_fields_definition().into_iter();
            let fields = fields.flat_map(|all| all.input_value_definitions());
            let fields = fields.filter_map(|one| argument(&one, faults));
            let read = Type {
                inputs: fields.map(|one| (one.name.clone(), one)).collect(),
                ..Type::default()
            };
            return Some((name?, read));
        }
        cst::Definition::OperationDefinition(_)
        | cst::Definition::FragmentDefinition(_)
        | cst::Definition::SchemaDefinition(_)
        | cst::Definition::ScalarTypeDefinition(_)
        | cst::Definition::EnumTypeDefinition(_)
        | cst::Definition::SchemaExtension(_)
        | cst::Definition::ScalarTypeExtension(_)
        | cst::Definition::InterfaceTypeExtension(_)
        | cst::Definition::UnionTypeExtension(_)
        | cst::Definition::EnumTypeExtension(_)
        | cst::Definition::InputObjectTypeExtension(_) => {
            faults.push(format!("{} is not for the list", definition.kind()));
            return None;
        }
    };
    let marks = Marks::of(directives, faults)?;
    let fields = fields.into_iter().flat_map(|all| all.field_definitions());
    let fields = fields.filter_map(|one| {
        let name = one.name()?.text().to_string();
        let marks = Marks::of(one.directives(), faults)?;
        let arguments = one.arguments_definition().into_iter();
        let arguments = arguments.flat_map(|all| all.input_value_definitions());
        let field = Field {
            named: named(&one.ty()?)?,
            needs: marks.needs,
            outside: marks.outside,
            anywhere: marks.anywhere,
            all: marks.all,
            arguments: arguments.filter_map(|one| argument(&one, faults)).collect(),
        };
        Some((name, field))
    });
    let read = Type {
        fields: fields.collect(),
        anywhere: marks.anywhere,
        ..Type::default()
    };
    Some((name?, read))
}

fn argument(one: &cst::InputValueDefinition, faults: &mut Vec<String>) -> Option<Argument> {
    let named = named(&one.ty()?)?;
    let marks = Marks::of(one.directives(), faults)?;
    let holds = match marks.holds {
        Some(holds) => holds,
        None if named == "ID" => Holds::Id,
        None => Holds::Nothing,
    };
    Some(Argument {
        name: one.name()?.text().to_string(),
        named,
        holds,
    })
}

/// The name in a type.
fn named(ty: &cst::Type) -> Option<String> {
    let name = |named: cst::NamedType| Some(named.name()?.text().to_string());
    match ty {
        cst::Type::NamedType(one) => name(one.clone()),
        cst::Type::ListType(list) => named(&list.ty()?),
        cst::Type::NonNullType(one) => match one.list_type() {
            Some(list) => named(&list.ty()?),
            None => name(one.named_type()?),
        },
    }
}

/// What directives say.
#[derive(Default)]
struct Marks {
    needs: Vec<Permissions>,
    outside: bool,
    anywhere: bool,
    all: bool,
    holds: Option<Holds>,
}

impl Marks {
    /// `None` if one of them is not understood: then what it stands at is not on the list.
    fn of(directives: Option<cst::Directives>, faults: &mut Vec<String>) -> Option<Self> {
        let mut marks = Self::default();
        for directive in directives.into_iter().flat_map(|all| all.directives()) {
            let name = directive.name().map(|name| name.text().to_string());
            let arguments = directive.arguments();
            let argument = arguments.and_then(|all| all.arguments().next()?.value());
            match (name.as_deref().unwrap_or_default(), argument) {
                ("needs", Some(cst::Value::StringValue(sets))) => {
                    let sets = String::from(&sets);
                    let Some(needs) = said::sets(&sets) else {
                        faults.push(format!("@needs is not understood: {sets}"));
                        return None;
                    };
                    marks.needs = needs;
                }
                ("outside", None) => marks.outside = true,
                ("anywhere", None) => marks.anywhere = true,
                ("all", None) => marks.all = true,
                ("plain", None) => marks.holds = Some(Holds::Nothing),
                ("held", Some(cst::Value::EnumValue(kind))) => {
                    marks.holds = Some(match kind.text().as_str() {
                        "REPOSITORY" => Holds::Repository,
                        "HEAD" => Holds::Head,
                        "TITLE" => Holds::Title,
                        other => {
                            faults.push(format!("@held(as: {other}) is not understood"));
                            return None;
                        }
                    });
                }
                (name, _) => {
                    faults.push(format!("@{name} is not understood"));
                    return None;
                }
            }
        }
        Some(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known;

    #[test]
    fn every_line_of_the_list_is_understood() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/reach/graphql/list");
        let files = std::fs::read_dir(directory).unwrap().count();
        assert_eq!(files + 1, TEXTS.len(), "each file is in `TEXTS`");
        let (list, faults) = List::parse(&TEXTS);
        assert_eq!(faults, [""; 0]);
        let mut needs = 0;
        for of in list.0.values() {
            for (name, level) in of
                .fields
                .values()
                .flat_map(|one| one.needs.iter().flatten())
            {
                assert_eq!(known::odd_permission(name), None);
                assert_eq!(known::wrong_level(name, *level), None);
                needs += 1;
            }
        }
        assert!(needs > 100, "{needs}");
    }

    #[test]
    fn what_is_not_understood_is_not_on_the_list() {
        let (list, faults) = List::parse(&["type A @anywher { a: Int } \
             type B { a: A @needs(any: \"issues\") b: A @outsid c: A @anywhere(a: 1) d(x: ID @plane): A } \
             enum C { D }"]);
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(list.find("A").is_none() && list.find("C").is_none());
        let b = list.find("B").unwrap();
        assert!(["a", "b", "c"].iter().all(|field| b.field(field).is_none()));
        assert!(b.field("d").unwrap().arguments.is_empty());
    }
}
