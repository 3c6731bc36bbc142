//! Objects that the state has nothing for: edges, pages, answers of mutations, and all that the schema has besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::super::routes::hex;
use super::call::Call;
use super::found::Found;
use super::thing::Thing;

/// An object that is made up when it is asked for; the next time it is the same.
#[derive(Debug)]
pub(crate) struct Made {
    /// The name of its type in the schema.
    pub(super) kind: String,
    /// Its id, if objects of its type have one.
    pub(super) id: Option<String>,
    /// Tells it from others.
    key: String,
    /// The object that it was reached from, and belongs to.
    pub(super) owner: Thing,
    /// What is known of it; the rest follows from its type.
    pub(super) fields: BTreeMap<&'static str, Found>,
}

impl Made {
    pub(super) fn thing(
        call: &Call<'_>,
        kind: &str,
        owner: &Thing,
        path: &str,
        fields: Vec<(&'static str, Found)>,
    ) -> Thing {
        let from = match owner {
            Thing::Made(made) => made.key.clone(),
            _ => owner.id(&call.state()).unwrap_or_default(),
        };
        let key = hex(&Sha256::digest(format!("{from} {path} {kind}")));
        let is_node = call.known.is(kind, "Node");
        let capitals: String = kind.chars().filter(char::is_ascii_uppercase).collect();
        let id = is_node.then(|| format!("{capitals}_kwDO{}", &key[..24]));
        Thing::Made(Arc::new(Self {
            kind: kind.to_owned(),
            id,
            key,
            owner: owner.clone(),
            fields: fields.into_iter().collect(),
        }))
    }
}
