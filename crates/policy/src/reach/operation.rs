//! One operation by its name, as GitHub's description and the key `paths` of a purpose spell it.

use std::fmt;
use std::str::FromStr;

use broker_protocol::similar::did_you_mean;

use super::path::Path;
use super::table::{OPERATIONS, Spans};
use crate::document::printable;

/// One operation of GitHub's REST API, by its documented method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    pub(super) method: &'static str,
    /// As the table spells it: with the form of its parameters.
    pub(super) template: &'static str,
}

impl Operation {
    fn path(self) -> String {
        self.template.replace(":n}", "}").replace(":+}", "}")
    }
}

/// As the description spells it: `GET /repos/{owner}/{repo}/labels`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path())
    }
}

/// The name of no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOperation {
    /// GraphQL has one path for everything.
    #[error("GraphQL needs no line: the purpose's permissions say what it may do")]
    Graphql,
    /// Not in the table.
    #[error("GitHub's description has no operation `{text}`{meant}")]
    Unknown {
        /// What was written, as it may be shown.
        text: String,
        /// What it may have meant, as `" (did you mean `x`?)"`, or nothing.
        meant: String,
    },
}

impl FromStr for Operation {
    type Err = NoOperation;

    fn from_str(text: &str) -> Result<Self, NoOperation> {
        let (method, path) = text.split_once(' ').unwrap_or_default();
        if path == "/graphql" {
            return Err(NoOperation::Graphql);
        }
        let mut all = OPERATIONS.all();
        let found = all.find(|(one, _)| one.method == method && one.path() == path);
        let found = found.map(|(operation, _)| operation);
        found.ok_or_else(|| NoOperation::Unknown {
            text: printable(text),
            meant: meant(text, method, path),
        })
    }
}

/// What this may have meant: a path with values, or with other names, in place of the parameters; a slip.
fn meant(text: &str, method: &str, path: &str) -> String {
    let read = Path::parse(path).ok();
    let found = read.map(|path| OPERATIONS.matches(method, &path.plain, Spans::Documented));
    if let Some([found]) = found.as_deref() {
        return format!(" (did you mean `{}`?)", found.operation);
    }
    let names: Vec<_> = OPERATIONS.all().map(|(one, _)| one.to_string()).collect();
    did_you_mean(text, names.iter().map(String::as_str))
}
