//! What a field gives.

use jiff::Timestamp;
use serde_json::Value;

use super::super::clock::iso;
use super::error::Refused;
use super::thing::Thing;

/// What a field gives.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// A scalar, an enum's value, nothing, or a list of these.
    Leaf(Value),
    /// An object.
    One(Thing),
    /// A list of objects.
    Many(Vec<Self>),
    /// A connection to these, with more fields of the connection.
    Page(Vec<Thing>, Vec<(&'static str, Self)>),
}

/// What a field gives, `None` when there is no state for it.
pub(super) type Answered = Result<Option<Found>, Refused>;

pub(super) fn leaf(value: impl Into<Value>) -> Found {
    Found::Leaf(value.into())
}

pub(super) fn nothing() -> Found {
    Found::Leaf(Value::Null)
}

pub(super) fn time(at: Timestamp) -> Found {
    leaf(iso(at))
}

pub(super) fn maybe(thing: Option<Thing>) -> Found {
    thing.map_or_else(nothing, Found::One)
}

pub(super) fn page(things: impl IntoIterator<Item = Thing>) -> Found {
    Found::Page(things.into_iter().collect(), Vec::new())
}

pub(super) fn count(number: usize) -> Found {
    leaf(u64::try_from(number).unwrap())
}
