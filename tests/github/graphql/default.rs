//! What a field gives for which there is no state: it follows from the field's type.

use apollo_compiler::ast::Type;
use apollo_compiler::resolvers::ResolveInfo;
use apollo_compiler::schema::ExtendedType;
use serde_json::json;

use super::super::objects::MADE;
use super::super::state::State;
use super::call::Call;
use super::found::{Found, leaf, nothing};
use super::home::Place;
use super::thing::Thing;

/// What the field of this object gives.
pub(super) fn of(call: &Call<'_>, owner: &Thing, info: &ResolveInfo<'_>) -> Found {
    let field = info.field_name();
    let leads_out = call.state().settings.leads_out;
    let from = From {
        call,
        owner,
        field,
        leads_out,
    };
    from.of_type(&info.field_definition().ty)
}

/// A field of an object.
#[derive(Clone, Copy)]
struct From<'a, 's> {
    call: &'a Call<'s>,
    owner: &'a Thing,
    field: &'a str,
    leads_out: bool,
}

/// Where to take an object from, if there is a choice.
#[derive(Clone, Copy, PartialEq)]
enum Prefer {
    Near,
    Far,
}

impl From<'_, '_> {
    fn of_type(self, ty: &Type) -> Found {
        let name = ty.inner_named_type().as_str();
        let objects = self.call.known.has_fields(name);
        match ty {
            Type::Named(_) | Type::NonNullNamed(_) if objects && is_connection(name) => {
                Found::Page(self.elements(name), Vec::new())
            }
            Type::NonNullNamed(_) if objects => Found::One(self.object(name)),
            Type::Named(_) if objects && self.leads_out => {
                Found::One(self.one_of(name, Prefer::Far))
            }
            Type::NonNullNamed(_) => self.scalar(name),
            Type::List(_) | Type::NonNullList(_) if objects && self.leads_out => {
                Found::Many(self.each_of(name).into_iter().map(Found::One).collect())
            }
            Type::NonNullList(_) => leaf(json!([])),
            Type::Named(_) | Type::List(_) => nothing(),
        }
    }

    /// An object that must be there. One of a type of its own is the nearest.
    fn object(self, name: &str) -> Thing {
        let choice = self.call.known.possible(name).len() > 1;
        match choice && self.leads_out {
            true => self.one_of(name, Prefer::Far),
            false => self.one_of(name, Prefer::Near),
        }
    }

    fn one_of(self, name: &str, prefer: Prefer) -> Thing {
        let possible = self.call.known.possible(name);
        let known = possible.iter().find_map(|kind| self.pick(kind, prefer));
        known.unwrap_or_else(|| {
            let kind = possible.first().map_or(name, String::as_str);
            self.call.make(kind, self.owner, self.field, Vec::new())
        })
    }

    /// One object of each type that it may be.
    fn each_of(self, name: &str) -> Vec<Thing> {
        let mut possible = self.call.known.possible(name);
        if self.call.has_made_many() {
            possible.truncate(1);
        }
        let all = possible.iter().map(|kind| self.one_of(kind, Prefer::Far));
        all.collect()
    }

    fn elements(self, connection: &str) -> Vec<Thing> {
        if !self.leads_out {
            return Vec::new();
        }
        let known = self.call.known;
        let of_edges = || known.field_type(known.field_type(connection, "edges")?, "node");
        let element = known.field_type(connection, "nodes").or_else(of_edges);
        element.map_or_else(Vec::new, |name| self.each_of(name))
    }

    fn pick(self, kind: &str, prefer: Prefer) -> Option<Thing> {
        let state = self.call.state();
        let far = || {
            let here = self.owner.place(&state);
            all(&state, kind)
                .into_iter()
                .find(|thing| thing.place(&state) != here && state.sees(self.call.who, thing))
        };
        match prefer {
            Prefer::Far => far().or_else(|| near(&state, self.owner, kind)),
            Prefer::Near => near(&state, self.owner, kind).or_else(far),
        }
    }

    fn scalar(self, name: &str) -> Found {
        let known = self.call.known.schema.types.get(name);
        if let Some(ExtendedType::Enum(values)) = known {
            let first = values.values.keys().next();
            return leaf(first.map(|name| name.as_str()));
        }
        match name {
            "Int" => leaf(0),
            "Float" => leaf(0.0),
            "Boolean" => leaf(false),
            "DateTime" | "PreciseDateTime" | "GitTimestamp" => leaf(MADE),
            "Date" => leaf("2024-01-01"),
            "BigInt" => leaf("0"),
            "GitObjectID" => leaf("0".repeat(40)),
            "HTML" | "Base64String" | "X509Certificate" => leaf(""),
            "URI" => leaf(format!("https://github.com/{}", self.field)),
            _ => leaf(self.field),
        }
    }
}

fn is_connection(name: &str) -> bool {
    name.ends_with("Connection")
}

/// The object of this type that is nearest: the one that it comes from, or one of the same repository.
fn near(state: &State, owner: &Thing, kind: &str) -> Option<Thing> {
    let mut next = Some(owner.clone());
    while let Some(thing) = next {
        if thing.kind(state) == kind {
            return Some(thing);
        }
        next = match thing {
            Thing::Made(made) => Some(made.owner.clone()),
            Thing::Comment(id) => Some(Thing::Issue(state.comments[&id].issue)),
            Thing::Review(id) => Some(Thing::Issue(state.reviews[&id].pull)),
            _ => None,
        };
    }
    let here = owner.place(state);
    let account = |login: &String| Thing::Account(login.clone());
    let of = match &here {
        Place::Repository(id) => Some(account(&state.repositories[id].owner)),
        Place::Project(id) => Some(account(&state.projects[id].owner)),
        Place::Account(login) => Some(account(login)),
        Place::Nowhere => None,
    };
    if let Some(of) = of.filter(|of| of.kind(state) == kind) {
        return Some(of);
    }
    let mut all = all(state, kind).into_iter();
    all.find(|thing| thing.place(state) == here)
}

/// All objects of a type that the state has.
fn all(state: &State, kind: &str) -> Vec<Thing> {
    let repositories = state.repositories.values();
    let projects = state.projects.values();
    match kind {
        "Repository" => repositories.map(|one| Thing::Repository(one.id)).collect(),
        "User" | "Organization" => {
            let accounts = state.accounts.values();
            let accounts = accounts.map(|account| Thing::Account(account.login.clone()));
            accounts.filter(|thing| thing.kind(state) == kind).collect()
        }
        "Issue" | "PullRequest" => {
            let issues = state.issues.keys().map(|id| Thing::Issue(*id));
            issues.filter(|thing| thing.kind(state) == kind).collect()
        }
        "IssueComment" => state
            .comments
            .keys()
            .map(|id| Thing::Comment(*id))
            .collect(),
        "PullRequestReview" => state.reviews.keys().map(|id| Thing::Review(*id)).collect(),
        "ProjectV2" => projects.map(|project| Thing::Project(project.id)).collect(),
        "ProjectV2Item" => projects
            .flat_map(|project| {
                let items = project.items.iter();
                items.map(|item| Thing::Item(project.id, item.id))
            })
            .collect(),
        "Label" => repositories
            .flat_map(|one| {
                one.labels
                    .values()
                    .map(|label| Thing::Label(one.id, label.id))
            })
            .collect(),
        "Milestone" => repositories
            .flat_map(|one| {
                let all = one.milestones.iter();
                all.map(|milestone| Thing::Milestone(one.id, milestone.id))
            })
            .collect(),
        "Release" => repositories
            .flat_map(|one| {
                let all = one.releases.iter();
                all.map(|release| Thing::Release(one.id, release.id))
            })
            .collect(),
        "Ref" => repositories
            .flat_map(|one| one.refs.keys().map(|name| Thing::Ref(one.id, name.clone())))
            .collect(),
        "Commit" => repositories
            .flat_map(|one| {
                one.refs
                    .values()
                    .map(|oid| Thing::Commit(one.id, oid.clone()))
            })
            .collect(),
        _ => Vec::new(),
    }
}
