//! Arguments of a field, defaults put in place.

use apollo_compiler::response::JsonMap;
use serde_json::Value;

use super::error::Refused;

/// Arguments of a field, or what is in an input object.
#[derive(Debug, Clone)]
pub(super) struct Arguments(pub(super) Value);

impl Arguments {
    pub(super) fn of(arguments: &JsonMap) -> Self {
        Self(serde_json::to_value(arguments).unwrap())
    }

    /// What is in the argument of this name; nothing when it is null or not there.
    pub(super) fn within(&self, name: &str) -> Self {
        Self(self.0[name].clone())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// A text that the schema demands.
    pub(super) fn demanded(&self, name: &str) -> Result<&str, Refused> {
        let missing = || Refused::unprocessable(format!("`{name}` can't be blank"));
        self.text(name).ok_or_else(missing)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0[name].as_bool()
    }

    /// A list of texts; also one that is empty.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let list = self.0[name].as_array()?.iter();
        Some(list.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    pub(super) fn list(&self, name: &str) -> Vec<Self> {
        let list = self.0[name].as_array().into_iter().flatten();
        list.cloned().map(Self).collect()
    }

    /// Whether the argument is there, be it as null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }
}
