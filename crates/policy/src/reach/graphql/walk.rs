//! Evaluates an operation, selection by selection, and writes down what it evaluated.

use std::collections::{BTreeSet, HashMap};

use broker_protocol::names::{OrgName, Permissions, RepoPattern};

use super::list::{self, Holds, LIST, List};
use super::syntax::{
    Condition, Field, Fragments, Kind, Operation, Selection, Value, VariableDefinition,
};
use super::{Holding, Limit, Refused, Variables, print};
use crate::known::is_of_organization;
use crate::parts::{organization_beyond, repository_beyond};
use crate::reach::Scope;
use crate::reach::need::missing;

/// GitHub's own bound is on nodes; these bound what one request costs here. Ours.
const MOST_FIELDS: usize = 5_000;
const MOST_ALIASES: usize = 50;
const DEEPEST: usize = 20;
/// Fields and fragments in each other.
const DEEPEST_NESTING: usize = 100;
/// Of what goes on, in bytes.
const LONGEST: usize = 1024 * 1024;

/// One walk through one operation.
pub(super) struct Walk<'a, 's> {
    pub(super) list: &'static List,
    pub(super) scope: &'a Scope<'a>,
    fragments: &'a Fragments,
    operation: &'a Operation,
    /// Its variables by their names.
    pub(super) defined: HashMap<&'a str, &'a VariableDefinition>,
    pub(super) variables: &'a Variables,
    pub(super) spent: &'s mut Spent,
    /// The fragments that are being put in place.
    spreads: Vec<&'a str>,
    /// The variables that were held to the lease already, as values of these types.
    pub(super) held: BTreeSet<(&'a str, &'static str, Holds)>,
    /// The variables in what goes on.
    used: BTreeSet<&'a str>,
    pub(super) out: String,
    pub(super) holding: Holding,
}

/// What the operations of a document took together: each of them is evaluated.
#[derive(Default)]
pub(super) struct Spent {
    /// Fragments among them.
    fields: usize,
    pub(super) values: usize,
    /// Of those that are done.
    bytes: usize,
}

/// An operation that was evaluated.
pub(super) struct Evaluated<'a> {
    /// What goes on.
    pub(super) query: String,
    /// The variables in it.
    pub(super) used: BTreeSet<&'a str>,
    pub(super) holding: Holding,
}

/// Where a selection stands.
#[derive(Clone, Copy)]
struct At<'p> {
    named: &'p str,
    /// Whose repository or organisation it is, once that is said.
    owner: Option<&'p str>,
    /// Whether it may stand outside the lease.
    outside: bool,
    depth: usize,
    nesting: usize,
}

impl<'a, 's> Walk<'a, 's> {
    pub(super) fn new(
        scope: &'a Scope<'a>,
        (fragments, operation): (&'a Fragments, &'a Operation),
        variables: &'a Variables,
        spent: &'s mut Spent,
    ) -> Self {
        Self {
            list: &LIST,
            scope,
            fragments,
            operation,
            defined: operation
                .variables
                .iter()
                .map(|variable| (variable.name.as_str(), variable))
                .collect(),
            variables,
            spent,
            held: BTreeSet::new(),
            used: BTreeSet::new(),
            spreads: Vec::new(),
            out: String::new(),
            holding: Holding::default(),
        }
    }

    pub(super) fn evaluate(mut self) -> Result<Evaluated<'a>, Refused> {
        let operation = self.operation;
        let root = At {
            named: root(operation.kind),
            owner: None,
            outside: false,
            depth: 0,
            nesting: 0,
        };
        self.selections(&operation.selections, root, &mut 0)?;
        self.spent.bytes += self.out.len();
        Ok(Evaluated {
            query: print::head(operation, &self.used) + &self.out,
            used: self.used,
            holding: self.holding,
        })
    }

    /// `aliases`: how many there are on this level so far.
    fn selections(
        &mut self,
        selections: &'a [Selection],
        at: At<'_>,
        aliases: &mut usize,
    ) -> Result<(), Refused> {
        if at.nesting > DEEPEST_NESTING {
            return Err(Limit::Nesting(DEEPEST_NESTING).into());
        }
        self.out.push('{');
        for selection in selections {
            self.spent.fields += 1;
            if self.spent.fields > MOST_FIELDS {
                return Err(Limit::Fields(MOST_FIELDS).into());
            }
            let inner = At {
                nesting: at.nesting + 1,
                ..at
            };
            match selection {
                Selection::Field(field) => self.field(field, inner, aliases)?,
                Selection::Spread { name, conditions } => {
                    let fragment = self.fragments.get(name);
                    let fragment = fragment.ok_or_else(|| Refused::NoFragment(name.clone()))?;
                    if self.spreads.contains(&name.as_str()) {
                        return Err(Refused::Cycle(name.clone()));
                    }
                    self.spreads.push(name);
                    self.out.extend(["...on ", &fragment.on]);
                    self.conditions(conditions);
                    let on = At {
                        named: &fragment.on,
                        ..inner
                    };
                    self.selections(&fragment.selections, on, aliases)?;
                    self.spreads.pop();
                }
                Selection::Inline {
                    on,
                    conditions,
                    selections,
                } => {
                    self.out.push_str("...");
                    if let Some(on) = on {
                        self.out.extend(["on ", on]);
                    }
                    self.conditions(conditions);
                    let on = At {
                        named: on.as_deref().unwrap_or(at.named),
                        ..inner
                    };
                    self.selections(selections, on, aliases)?;
                }
            }
            if self.spent.bytes + self.out.len() > LONGEST {
                return Err(Limit::Length(LONGEST).into());
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn field(&mut self, field: &'a Field, at: At<'_>, aliases: &mut usize) -> Result<(), Refused> {
        *aliases += usize::from(field.alias.is_some());
        let depth = at.depth + 1;
        if *aliases > MOST_ALIASES {
            return Err(Limit::Aliases(MOST_ALIASES).into());
        }
        if depth > DEEPEST {
            return Err(Limit::Depth(DEEPEST).into());
        }
        if let Some(alias) = &field.alias {
            self.out.extend([alias, ":"]);
        }
        self.out.push_str(&field.name);
        // Of every type.
        if field.name == "__typename" && field.arguments.is_empty() && field.selections.is_empty() {
            self.conditions(&field.conditions);
            self.out.push(' ');
            return Ok(());
        }
        let name = || format!("{}.{}", at.named, field.name);
        let not_listed = || Refused::NotListed(name());
        let of = self.list.find(at.named).ok_or_else(not_listed)?;
        let known = of.field(&field.name).ok_or_else(not_listed)?;
        if at.outside && !of.anywhere(known) {
            return Err(Refused::Outside(name()));
        }
        if at.depth == 0 {
            // A fragment cannot be on another type there.
            if at.named != root(self.operation.kind) {
                return Err(not_listed());
            }
            self.holding.fields.insert(field.name.clone());
        }
        let start = match (at.named, field.name.as_str()) {
            (QUERY, "repository") => Some(self.repository(field)?),
            (QUERY, "organization") => Some(self.organization(field)?),
            _ => None,
        };
        let owner = start.as_deref().or(at.owner);
        if let Some(what) = self.beyond(known, owner) {
            let field = name();
            return Err(Refused::Beyond { field, what });
        }
        self.arguments(field, (&name(), known))?;
        self.conditions(&field.conditions);
        if field.selections.is_empty() {
            self.out.push(' ');
            return Ok(());
        }
        let below = At {
            named: &known.named,
            owner,
            outside: at.outside || known.outside,
            depth,
            ..at
        };
        self.selections(&field.selections, below, &mut 0)
    }

    fn conditions(&mut self, conditions: &'a [Condition]) {
        for condition in conditions {
            self.out.extend(["@", &condition.directive, "(if:"]);
            self.value(&condition.value);
            self.out.push(')');
        }
    }

    /// Writes down a value.
    pub(super) fn value(&mut self, value: &'a Value) {
        value.variables(&mut self.used);
        print::value(value, &mut self.out);
    }

    /// What a field needs that the lease does not hold, in words.
    fn beyond(&self, known: &list::Field, owner: Option<&str>) -> Option<String> {
        if known.all {
            let all = owner.map(|owner| format!("{owner}/*").parse::<RepoPattern>());
            let Some(Ok(all)) = all else {
                return Some(format!(
                    "all repositories of an owner; {WHOSE} names none there"
                ));
            };
            return repository_beyond(&[all], self.scope.repositories, WHOSE);
        }
        let held = self.scope.organization;
        let is_held = held.is_some_and(|held| owner.is_none_or(|owner| is_named(held, owner)));
        let of_organization = |set: &&Permissions| set.keys().any(is_of_organization);
        let sets = known.needs.iter();
        let sets = sets.filter(|set| is_held || !of_organization(set));
        let sets: Vec<_> = sets.cloned().collect();
        if sets.is_empty() && !known.needs.is_empty() {
            return match owner.and_then(|owner| owner.parse::<OrgName>().ok()) {
                Some(owner) => organization_beyond(&owner, held, WHOSE),
                None => Some(format!("an organisation; {WHOSE} allows none")),
            };
        }
        missing(&sets, self.scope.permissions, WHOSE)
    }
}

pub(super) const WHOSE: &str = "the lease";
const QUERY: &str = "Query";

const fn root(kind: Kind) -> &'static str {
    match kind {
        Kind::Query => QUERY,
        Kind::Mutation => "Mutation",
    }
}

pub(super) fn is_named(organization: &OrgName, name: &str) -> bool {
    organization.as_str().eq_ignore_ascii_case(name)
}
