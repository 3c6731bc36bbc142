//! Policies: which are in force.

use std::collections::BTreeMap;

use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum PolicyEvent<'a> {
    /// A policy set is in force.
    #[serde(rename = "policy.loaded")]
    Loaded {
        /// File name to SHA-256, hexadecimal.
        files: &'a BTreeMap<String, String>,
    },
    /// A reload was refused; the old set stays in force.
    #[serde(rename = "policy.refused")]
    Refused {
        /// The errors, one a line.
        why: &'a str,
    },
}
