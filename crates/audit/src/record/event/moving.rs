//! Moves of secrets from one source to another.

use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum MoveEvent<'a> {
    /// A value is about to be written to another place, or is seen to be there.
    #[serde(rename = "secret.moving")]
    Moving {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where it is stored, as policies name it.
        from: &'a str,
        /// Where it goes.
        to: &'a str,
        /// `writing` or `copied`.
        step: &'a str,
        /// Base64 SHA-256 of the value.
        hashed_credential: &'a str,
    },
    /// Policies name the new place, and it gave the value.
    #[serde(rename = "secret.moved")]
    Moved {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where the old copy is.
        from: &'a str,
        /// Where it is taken from.
        to: &'a str,
        /// Base64 SHA-256 of the value.
        hashed_credential: &'a str,
    },
    /// Policies name the old place again, and it gave the value.
    #[serde(rename = "secret.moved_back")]
    MovedBack {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where it is taken from.
        from: &'a str,
        /// Where a copy stays.
        to: &'a str,
    },
    /// The old copy is about to be erased, and the way back with it.
    #[serde(rename = "secret.move_finished")]
    Finished {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where the old copy was.
        from: &'a str,
        /// Where it is taken from.
        to: &'a str,
        /// `erased`, `gone` (nothing was there any more) or `left` (an operator removes it).
        old: &'a str,
    },
    /// A value could not be written or erased in place.
    #[serde(rename = "secret.move_failed")]
    Failed {
        /// The secret.
        secret: &'a str,
        /// `write` or `erase`.
        step: &'a str,
        /// The place.
        source: &'a str,
        /// In plain words. It may have happened all the same.
        why: &'a str,
    },
}
