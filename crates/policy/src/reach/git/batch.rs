//! What a Git LFS batch asks for: the one thing of a body that is decided on.
//!
//! Servers read JSON differently: of two members with one name some take the first and some the last, and some do not
//! tell `Operation` from `operation`. So there is exactly one, in any spelling, or it is refused.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// What it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Download,
    Upload,
}

/// `None`: not the JSON of a batch, or one that can be read in two ways.
pub(super) fn operation(body: &[u8]) -> Option<Operation> {
    let batch: Batch = serde_json::from_slice(body).ok()?;
    Some(batch.0)
}

struct Batch(Operation);

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one `operation`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Batch, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if !name.eq_ignore_ascii_case(NAME) {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            if name != NAME || found.is_some() {
                return Err(A::Error::custom("more than one reading"));
            }
            found = Some(members.next_value()?);
        }
        found
            .map(Batch)
            .ok_or_else(|| A::Error::missing_field(NAME))
    }
}

const NAME: &str = "operation";
