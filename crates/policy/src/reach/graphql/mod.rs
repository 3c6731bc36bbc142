//! What a GraphQL document needs of a lease.
//!
//! ```text
//! body ─read→ Asked ─allow(Scope)→ Allowed { what goes on, Named } ─(Named::within)→ all of it is within the lease
//! ```
//!
//! A document is read whole, by a library's parser; no decision looks at its text. Every operation in it is evaluated
//! by a list of what stays inside (`list`), field by field, with fragments put in place and `@skip` and `@include`
//! read as if all were there. What is not on the list is refused, so a field that GitHub adds tomorrow is. What goes
//! on is written from what was evaluated: of several operations, the one that was named.
//!
//! Permissions mean what they mean in REST. A query starts at a repository or an organisation of the lease, and
//! never follows one that was renamed. What a mutation names by an id is asked about first (see `ids`).
//!
//! What stands outside the lease and is named inside it, such as the author of an issue or the parent of a fork, gives
//! its name, number and address alone.
//!
//! Not here: headers; who asks GitHub; what is on record.

mod arguments;
pub mod ids;
mod list;
mod print;
mod syntax;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::strict;
use serde::{Deserialize, Serialize};

pub use self::ids::Named;
pub use self::syntax::Kind;
use self::syntax::{Document, Fragments, Operation, Value};
use self::walk::{Evaluated, Spent, Walk};
use super::Scope;

/// The longest body that is read, in bytes. Ours.
pub const LONGEST_BODY: usize = 256 * 1024;

type Variables = BTreeMap<String, Value>;

/// What a request asks for.
pub struct Asked {
    operation: Operation,
    /// The operations of the document that were not asked for.
    others: Vec<Operation>,
    fragments: Fragments,
    variables: Variables,
    /// The same, as they came.
    sent: serde_json::Map<String, serde_json::Value>,
}

/// A request that stays within a lease, as far as it can be told without asking.
pub struct Allowed {
    /// What goes on, as JSON: the operation that was asked for, written from what was evaluated.
    pub body: Vec<u8>,
    /// What the operation does.
    pub kind: Kind,
    /// What it holds on to.
    pub holding: Holding,
}

/// What an operation is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The fields that it starts with, as they are named in the schema: of a mutation, what it does.
    pub fields: BTreeSet<String>,
    /// The repositories and organisations that it names, as records have them.
    pub touches: BTreeSet<String>,
    /// What GitHub has to say whose it is, before the operation goes on.
    pub named: Named,
}

/// Why a body was not read. The message completes “refused: …”.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// Too long, compressed, cut off, or not there.
    #[error(
        "the body of a GraphQL request has at most {LONGEST_BODY} bytes, and comes whole and not compressed"
    )]
    TooLong,
    /// Not the JSON of one request.
    #[error(
        "a GraphQL request is one JSON object of `query`, `variables` and `operationName`, each once: line {line}, \
         column {column} is something else"
    )]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 at the beginning of a line.
        column: usize,
    },
    /// Not GraphQL.
    #[error("the document is not GraphQL from its line {line}, column {column} on")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// More than the parser is let do.
    #[error("the document is too large or too deep to be evaluated")]
    TooLarge,
    /// The tree lacks something that the parser did not complain of.
    #[error("the document is not complete")]
    Incomplete,
    /// A definition that is not of an operation or a fragment, or an operation that is not served.
    #[error("the document holds {0}; queries, mutations and fragments are served")]
    NoOperation(&'static str),
    /// A name that stands twice where it may stand once.
    #[error("{0} stands there twice")]
    Twice(String),
    /// Another directive than `@skip(if:)` and `@include(if:)`.
    #[error(
        "`@{0}` is not served there; `@skip(if:)` and `@include(if:)` are, on fields and fragments"
    )]
    Directive(String),
    /// No operation of that name, or none where there are several.
    #[error("`operationName` names none of the document's operations")]
    Unnamed,
}

/// Why a document is refused under a lease. The message completes “refused: …”.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A type, a field, an argument or an input.
    #[error(
        "`{0}` is not on the list of what GraphQL may do under a lease, whatever the policy says"
    )]
    NotListed(String),
    /// It needs more than the lease holds.
    #[error("`{field}` needs {what}")]
    Beyond {
        /// `Type.field`.
        field: String,
        /// In words such as “permission `contents: read`; the lease does not allow it”.
        what: String,
    },
    /// Of something that is named inside the lease and stands outside it.
    #[error(
        "`{0}` may stand outside the lease there, where names, numbers and addresses alone may be read"
    )]
    Outside(String),
    /// A title that GitHub might take for the address of something.
    #[error(
        "the title in `{0}` may be the address of an issue, which GitHub would put there instead"
    )]
    Title(String),
    /// A value of another type than is due there, or none.
    #[error("the value of `{0}` is missing, or of another type than is due there")]
    Value(String),
    /// A variable that is not defined, or of another type than is due where it stands.
    #[error("`${0}` is not a variable of the type that is due where it stands")]
    Variable(String),
    /// No such fragment.
    #[error("there is no fragment `{0}`")]
    NoFragment(String),
    /// A fragment in itself.
    #[error("fragment `{0}` holds itself")]
    Cycle(String),
    /// Too much of something.
    #[error(transparent)]
    Limit(#[from] Limit),
    /// An id of nothing that the lease holds.
    #[error(
        "an id in `{0}` is of nothing within the lease: `repositories` and `organization` of the purpose say what is"
    )]
    Id(String),
    /// A repository of the lease that is not there under its name.
    #[error("no repository is called `{0}` now")]
    Gone(String),
    /// GitHub did not say whose they are.
    #[error("GitHub did not say what the ids in it belong to; try again")]
    Ids,
}

/// What a document may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Fields, with fragments put in place.
    #[error("more than {0} fields and fragments, with fragments put in place")]
    Fields(usize),
    /// Fields and fragments in each other.
    #[error("more than {0} fields and fragments in each other")]
    Nesting(usize),
    /// Aliases on one level.
    #[error("more than {0} aliases on one level")]
    Aliases(usize),
    /// Fields in fields.
    #[error("more than {0} levels deep")]
    Depth(usize),
    /// Bytes.
    #[error("more than {0} bytes, with fragments put in place")]
    Length(usize),
    /// Values in arguments.
    #[error("more than {0} values in arguments, with fragments put in place")]
    Values(usize),
    /// Ids, and names of repositories.
    #[error("more than {0} ids and names of repositories")]
    Ids(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation_name: Option<String>,
}

impl Asked {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// [`NotRead`]
    pub fn read(body: &[u8]) -> Result<Self, NotRead> {
        if body.len() > LONGEST_BODY {
            return Err(NotRead::TooLong);
        }
        // In words of ours: the library's quote values.
        let body: Body = strict::from_slice(body).map_err(|error| NotRead::Json {
            line: error.line(),
            column: error.column(),
        })?;
        let Document {
            mut operations,
            fragments,
        } = Document::parse(&body.query)?;
        // Some clients send an empty name for none.
        let name = body.operation_name.filter(|name| !name.is_empty());
        let chosen = match &name {
            Some(_) => operations
                .iter()
                .position(|operation| operation.name == name),
            None => (operations.len() == 1).then_some(0),
        };
        let operation = operations.remove(chosen.ok_or(NotRead::Unnamed)?);
        let sent = body.variables.unwrap_or_default();
        let mut values = 0;
        let variables = sent.iter().map(|(name, value)| {
            let value = Value::of_json(value, &mut values).ok_or(NotRead::TooLarge)?;
            Ok((name.clone(), value))
        });
        Ok(Self {
            operation,
            others: operations,
            fragments,
            variables: variables.collect::<Result<_, _>>()?,
            sent,
        })
    }

    /// Decides whether a lease allows all of it.
    ///
    /// # Errors
    ///
    /// [`Refused`]: the first thing that it does not hold, or that none may.
    pub fn allow(mut self, scope: &Scope<'_>) -> Result<Allowed, Refused> {
        let mut spent = Spent::default();
        for other in &self.others {
            let within = (&self.fragments, other);
            Walk::new(scope, within, &self.variables, &mut spent).evaluate()?;
        }
        let operation = &self.operation;
        let within = (&self.fragments, operation);
        let walk = Walk::new(scope, within, &self.variables, &mut spent);
        let Evaluated {
            query,
            used,
            holding,
        } = walk.evaluate()?;
        self.sent.retain(|name, _| used.contains(name.as_str()));
        let body = Body {
            query,
            variables: Some(self.sent),
            operation_name: operation.name.clone(),
        };
        Ok(Allowed {
            // Names and values of JSON: it is one again.
            body: serde_json::to_vec(&body).unwrap_or_default(),
            kind: operation.kind,
            holding,
        })
    }
}
