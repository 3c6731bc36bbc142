//! Writes one document: where it starts, and what it selects from there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use apollo_compiler::schema::ExtendedType;
use serde_json::Value;

use super::{Documents, field_of, fields};

/// What writes one document.
pub(super) struct Writer<'d> {
    pub(super) documents: &'d Documents,
    pub(super) random: u64,
    pub(super) inside: bool,
    /// How many fields it may still have.
    pub(super) left: usize,
    pub(super) aliases: usize,
    pub(super) variables: Vec<(String, String, Value)>,
    pub(super) fragments: Vec<String>,
}

impl Writer<'_> {
    /// SplitMix64, of Steele, Lea and Flood.
    pub(super) fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(super) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len());
        all[at].clone()
    }

    pub(super) fn root(&mut self, root: &str) -> String {
        let listed = fields(&self.documents.list, root);
        let starts: Vec<_> = match root {
            "Query" if self.inside || self.chance(80) => {
                ["repository", "organization"].map(str::to_owned).to_vec()
            }
            _ if self.inside || self.chance(80) => {
                listed.iter().map(|one| one.name.to_string()).collect()
            }
            _ => fields(&self.documents.github, root)
                .iter()
                .map(|one| one.name.to_string())
                .collect(),
        };
        let name = self.one_of(&starts);
        field_of(&self.documents.github, root, &name)
            .map_or_else(String::new, |_| self.field(root, &name, false, 0))
    }

    /// The fields of a type that may be asked for here.
    pub(super) fn askable(&mut self, named: &str, outside: bool) -> Vec<String> {
        let documents = self.documents;
        let anything = !self.inside && self.chance(15);
        let schema = if anything {
            &documents.github
        } else {
            &documents.list
        };
        let strict = self.inside;
        // The lease does not hold all repositories of an owner.
        let all = fields(schema, named).into_iter();
        let all = all.filter(|one| !strict || !one.directives.has("all"));
        let all = all.map(|one| one.name.to_string());
        all.filter(|field| !strict || !outside || documents.is_anywhere(named, field))
            .collect()
    }

    pub(super) fn selection(&mut self, named: &str, outside: bool, depth: usize) -> String {
        let mut selected = "__typename ".to_owned();
        for concrete in self.concrete(named) {
            let mut asked = BTreeSet::new();
            let mut inner = String::new();
            let askable = self.askable(&concrete, outside);
            for _ in 0..=self.below(4) {
                if askable.is_empty() || self.left == 0 {
                    break;
                }
                let field = self.one_of(&askable);
                if asked.insert(field.clone()) {
                    inner.push_str(&self.field(&concrete, &field, outside, depth));
                }
            }
            if inner.is_empty() {
                continue;
            }
            if self.chance(10) {
                let name = format!("F{}", self.fragments.len());
                self.fragments
                    .push(format!("fragment {name} on {concrete} {{ {inner} }} "));
                write!(selected, "...{name} ").unwrap();
            } else if concrete != named || self.chance(10) {
                let include = if self.chance(20) {
                    "@include(if: true) "
                } else {
                    ""
                };
                write!(selected, "... on {concrete} {include}{{ {inner} }} ").unwrap();
            } else {
                selected.push_str(&inner);
            }
        }
        selected
    }

    /// A type, or some of those that it may be.
    pub(super) fn concrete(&mut self, named: &str) -> Vec<String> {
        let github = &self.documents.github;
        let members: Vec<String> = match github.types.get(named) {
            Some(ExtendedType::Union(union)) => union
                .members
                .iter()
                .map(|one| one.name.to_string())
                .collect(),
            Some(ExtendedType::Interface(_)) if self.chance(50) => {
                let implementers = github.implementers_map();
                let of = implementers.get(named);
                of.map(|of| of.objects.iter().map(ToString::to_string).collect())
                    .unwrap_or_default()
            }
            _ => vec![named.to_owned()],
        };
        let listed: Vec<_> = members
            .iter()
            .filter(|one| self.documents.list.types.contains_key(one.as_str()))
            .cloned()
            .collect();
        let some = if listed.is_empty() || (!self.inside && self.chance(10)) {
            members
        } else {
            listed
        };
        if some.is_empty() {
            return Vec::new();
        }
        (0..2)
            .map(|_| self.one_of(&some))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    pub(super) fn field(&mut self, of: &str, name: &str, outside: bool, depth: usize) -> String {
        let documents = self.documents;
        let Some(known) = field_of(&documents.github, of, name) else {
            return String::new();
        };
        let listed = field_of(&documents.list, of, name);
        self.left = self.left.saturating_sub(1);
        let arguments = self.arguments(of, known, listed);
        let outside = outside || listed.is_some_and(|one| one.directives.has("outside"));
        let gives = known.ty.inner_named_type().as_str();
        let is_leaf = matches!(
            documents.github.types.get(gives),
            Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)) | None
        );
        let below = match is_leaf {
            true => String::new(),
            false if depth > 9 || self.left == 0 => "{ __typename }".to_owned(),
            false => format!("{{ {} }}", self.selection(gives, outside, depth + 1)),
        };
        let alias = if arguments.is_empty() {
            String::new()
        } else {
            self.alias()
        };
        let skip = if self.chance(3) {
            "@skip(if: false) "
        } else {
            ""
        };
        format!("{alias}{name}{arguments} {skip}{below} ")
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("a{}: ", self.aliases)
    }
}
