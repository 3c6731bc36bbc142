//! Lists, which come in pages: no answer grows with what the broker holds.

use serde::{Deserialize, Serialize};

use crate::client::MAX_ANSWER;

/// A page of a list ends with the item that would make it longer, in bytes. Half of what clients take,
/// so that those who know of no pages still see as much as they ever could use.
pub const MAX_PAGE: usize = MAX_ANSWER / 2;

/// `?after=CURSOR` of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The `next` of the page before; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
