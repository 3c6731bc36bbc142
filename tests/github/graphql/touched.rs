//! What a call read and changed by GraphQL: with this a test can say that nothing else was.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::home::Home;

/// One `POST /graphql`, as it was carried out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Touched {
    /// The document, as it came.
    pub document: String,
    /// The variables, as they came.
    pub variables: Value,
    /// Every object that was given, once, and what was read of it.
    pub read: Vec<Read>,
    /// Every object that was made, changed or deleted, in this order.
    pub changed: Vec<Changed>,
    /// Messages of the errors that were answered.
    pub errors: Vec<String>,
}

/// An object that was given.
#[derive(Debug, Clone, Serialize)]
pub struct Read {
    /// Its type in the schema; connections and the like are objects too.
    pub kind: String,
    /// Its id, unless objects of its type have none.
    pub id: Option<String>,
    /// What it belonged to when it was given.
    pub home: Home,
    /// Which fields were read. Those with a name of two underscores are not among them.
    pub fields: BTreeSet<String>,
}

/// An object that was made, changed or deleted.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// The mutation.
    pub by: String,
    /// The object's type.
    pub kind: String,
    /// The object's id.
    pub id: Option<String>,
    /// What it belonged to, before it was deleted or moved.
    pub home: Home,
}

impl Touched {
    /// Objects that were given or changed and that belong to something else, a line for each.
    #[must_use]
    pub fn outside(&self, inside: &[Home]) -> Vec<String> {
        let stranger = |home: &Home| *home != Home::None && !inside.contains(home);
        let read = self.read.iter().filter(|one| stranger(&one.home));
        let read = read.map(|one| {
            let fields: Vec<&str> = one.fields.iter().map(String::as_str).collect();
            format!("read: {} of {}: {}", one.kind, one.home, fields.join(", "))
        });
        let changed = self.changed.iter().filter(|one| stranger(&one.home));
        let changed = changed.map(|one| {
            let Changed { by, kind, home, .. } = one;
            format!("changed by {by}: {kind} of {home}")
        });
        read.chain(changed).collect()
    }
}
