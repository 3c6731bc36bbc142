//! `crates/policy/src/reach/graphql/list`, held against GitHub's public schema.
//!
//! A list of what may be asked is only as good as what it says of each field. So each field exists at GitHub as
//! it is written, leads to nothing that is not listed, and is marked where it leads out. Whether a field needs the
//! right permissions, no test can tell.

mod bad;
mod leads;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;

use schema::{Field, Kind, Schema, Type, is_page};

/// Ids of accounts, which are in no repository.
const PLAIN: [&str; 3] = ["assigneeIds", "teamIds", "userIds"];
/// Texts in inputs that name a repository or a branch of one.
const HELD: [(&str, &str); 2] = [
    ("headRefName", "@held(as: HEAD)"),
    ("repositoryNameWithOwner", "@held(as: REPOSITORY)"),
];
/// Titles that GitHub takes for an issue if they are its address.
const DRAFTS: [&str; 2] = [
    "AddProjectV2DraftIssueInput.title",
    "UpdateProjectV2DraftIssueInput.title",
];
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

#[test]
fn each_line_of_the_list_is_githubs_and_says_where_it_leads() {
    let Some(conformance) = support::needs::conformance_tools() else {
        return;
    };
    let mut github = Schema::default();
    github.read(&conformance.join("node_modules/@octokit/graphql-schema/schema.graphql"));
    let mut list = Schema::default();
    let directory = super::root().join("crates/policy/src/reach/graphql/list");
    let files = fs::read_dir(&directory).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().for_each(|file| list.read(file));

    let wrong = Held::against(&list, &github);
    assert!(
        wrong.is_empty(),
        "correct these lines of {}:\n{}",
        directory.display(),
        wrong.join("\n")
    );
}

struct Held<'s> {
    list: &'s Schema,
    github: &'s Schema,
    wrong: Vec<String>,
}

impl<'s> Held<'s> {
    /// The lines to correct.
    fn against(list: &'s Schema, github: &'s Schema) -> Vec<String> {
        let mut held = Held {
            list,
            github,
            wrong: Vec::new(),
        };
        for place in &list.again {
            held.say(place, "is a type that is defined twice");
        }
        held.types();
        held.reached();
        held.outside();
        held.never();
        held.wrong
    }

    fn say(&mut self, place: &str, what: impl Display) {
        self.wrong.push(format!("{place} {what}"));
    }

    /// Types, fields, arguments and inputs are those of GitHub.
    fn types(&mut self) {
        for (name, here) in &self.list.types {
            let Some(there) = self.github.types.get(name) else {
                self.say(
                    &here.place,
                    format_args!("`{name}`: GitHub has no such type"),
                );
                continue;
            };
            if here.kind != there.kind || here.kind == Kind::Leaf {
                let what = format_args!(
                    "`{name}` is {:?} at GitHub, not {:?}",
                    there.kind, here.kind
                );
                self.say(&here.place, what);
            }
            if here.members != there.members {
                self.say(
                    &here.place,
                    format_args!("`{name}` has others at GitHub: {:?}", there.members),
                );
            }
            self.possible(name, &here.place);
            let of_input = here.kind == Kind::Input;
            self.same(name, &here.place, &here.fields, &there.fields);
            for (field, told) in &here.fields {
                let name = format!("{name}.{field}");
                if of_input {
                    self.input(&name, told);
                } else if let Some(there) = there.fields.get(field) {
                    self.same(&name, &told.place, &told.arguments, &there.arguments);
                    self.arguments(told);
                }
            }
            if here.kind == Kind::Interface {
                self.implemented(name, here);
            }
        }
    }

    /// What is listed of a type or a field is there, with the same type, and what must be given is listed.
    fn same(
        &mut self,
        of: &str,
        place: &str,
        here: &BTreeMap<String, Field>,
        there: &BTreeMap<String, Field>,
    ) {
        for (name, told) in here {
            match there.get(name) {
                None => self.say(&told.place, format_args!("`{of}`: GitHub has no `{name}`")),
                Some(there) if there.gives != told.gives => {
                    self.say(
                        &told.place,
                        format_args!("`{of}`: `{name}` is `{}` at GitHub", there.gives),
                    );
                }
                Some(_) => {}
            }
            self.listed(&told.named, &told.place);
        }
        let missing = there
            .iter()
            .filter(|(name, there)| there.required && !here.contains_key(*name));
        for (name, _) in missing {
            self.say(
                place,
                format_args!("`{of}`: `{name}` must be given, and is not listed"),
            );
        }
    }

    /// A type is a scalar, an enum, or listed.
    fn listed(&mut self, named: &str, place: &str) {
        let kind = self.github.types.get(named).map(|there| there.kind);
        let leaf = kind == Some(Kind::Leaf) || BUILT_IN.contains(&named);
        if !leaf && !self.list.types.contains_key(named) {
            self.say(
                place,
                format_args!("leads to `{named}`, which is not listed"),
            );
        }
    }

    /// An interface or a union is listed with each type that it may be.
    fn possible(&mut self, name: &str, place: &str) {
        if is_page(name) {
            return;
        }
        for one in self.github.possible(name) {
            if !self.list.types.contains_key(&one) {
                self.say(
                    place,
                    format_args!("`{name}` may be `{one}`, which is not listed"),
                );
            }
        }
    }

    /// A field of an interface needs, and leads to, the same in each type.
    fn implemented(&mut self, name: &str, interface: &Type) {
        for one in self.github.possible(name) {
            let Some(object) = self.list.types.get(&one) else {
                continue;
            };
            for (field, told) in &interface.fields {
                match object.fields.get(field) {
                    None => self.say(
                        &object.place,
                        format_args!("`{one}` lacks `{field}` of `{name}`"),
                    ),
                    Some(own) if own.directives != told.directives => {
                        self.say(
                            &own.place,
                            format_args!("`{one}.{field}` is not as in `{name}`"),
                        );
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// No id is given with a field: those are asked about for inputs alone.
    fn arguments(&mut self, field: &Field) {
        for (name, argument) in &field.arguments {
            if argument.named == "ID" {
                self.say(
                    &argument.place,
                    format_args!("takes an id, `{name}`, that is held to nothing"),
                );
            }
        }
    }

    /// An id in an input is held to the lease, or is an account's; a text that names something is held.
    fn input(&mut self, full_name: &str, field: &Field) {
        let (_, name) = full_name.split_once('.').unwrap();
        let held = HELD.iter().find(|(held, _)| *held == name);
        let wanted = match held {
            Some((_, directive)) => Some(*directive),
            None if DRAFTS.contains(&full_name) => Some("@held(as: TITLE)"),
            None => PLAIN.contains(&name).then_some("@plain"),
        };
        if field.directives != wanted.iter().map(ToString::to_string).collect() {
            self.say(
                &field.place,
                format_args!("`{name}` should have {wanted:?}"),
            );
        }
        if wanted == Some("@plain") && field.named != "ID"
            || held.is_some() && field.named != "String"
        {
            self.say(
                &field.place,
                format_args!("`{name}` is a `{}`", field.named),
            );
        }
    }

    /// No type stands in the list for nothing.
    fn reached(&mut self) {
        let mut reached = BTreeSet::new();
        let mut open = vec!["Query".to_owned(), "Mutation".to_owned()];
        while let Some(name) = open.pop() {
            let Some(one) = self.list.types.get(&name) else {
                continue;
            };
            if reached.insert(name.clone()) {
                let arguments = one
                    .fields
                    .values()
                    .flat_map(|field| field.arguments.values());
                open.extend(
                    arguments
                        .chain(one.fields.values())
                        .map(|field| field.named.clone()),
                );
                open.extend(self.github.possible(&name));
            }
        }
        for (name, one) in &self.list.types {
            // An interface may stand in a fragment alone.
            let implements = self.github.possible(name);
            let implemented = one.kind == Kind::Interface && !implements.is_disjoint(&reached);
            if !reached.contains(name) && !implemented {
                self.say(&one.place, format_args!("`{name}` is reached by nothing"));
            }
        }
    }
}
