//! Policies: which are in force.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum PolicyEvent<'a> {
    /// A policy set is in force.
    #[serde(rename = "policy.loaded")]
    Loaded {
        /// The operator who had them loaded; absent where `on` says what did.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// `start` or `SIGHUP`; absent where an operator did.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<&'a str>,
        /// File name to SHA-256, hexadecimal.
        files: &'a BTreeMap<String, String>,
    },
    /// A reload was refused; the old set stays in force.
    #[serde(rename = "policy.refused")]
    Refused {
        /// The operator who wanted them loaded; absent where `on` says what did.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// `SIGHUP`; absent where an operator did.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<&'a str>,
        /// The errors, one a line.
        why: &'a str,
    },
}
