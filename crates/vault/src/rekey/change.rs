//! How far a change of the root key is, as the vault keeps it until its outcome is recorded.

use serde::{Deserialize, Serialize};

/// A change of the root key that has begun and is not settled, as the vault keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(super) announced: u64,
    pub(super) stage: Stage,
    pub(super) from: String,
    pub(super) from_version: u32,
    pub(super) to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Begun,
    Failed,
    Done,
}

impl Change {
    pub(crate) fn to_stored(&self) -> String {
        // Numbers and words: nothing that could not be JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }
}
