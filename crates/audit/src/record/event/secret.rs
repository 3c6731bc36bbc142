//! Secrets: their values, checks and deadlines.

use jiff::Timestamp;
use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum SecretEvent<'a> {
    /// A new version of a secret is about to be stored.
    #[serde(rename = "secret.set")]
    Set {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The version it will be.
        version: u64,
        /// Base64 SHA-256 of the value.
        hashed_credential: &'a str,
        /// Its end at GitHub, where given.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// The earlier version whose value it is, where that is stored once more.
        #[serde(skip_serializing_if = "Option::is_none")]
        restores: Option<u64>,
    },
    /// A stored value is about to be used by the broker itself.
    #[serde(rename = "secret.used")]
    Used {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value is not stored in the vault.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// `check`, `rate_limit`, `sink`, `rotation`, `revocation`, `installation`, `source`, `refresh`,
        /// `probe` or `move`.
        what_for: &'a str,
        /// The place that is read, where it need not be the one that policies name: for `move`.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<&'a str>,
    },
    /// A secret was checked against GitHub, or that was tried.
    #[serde(rename = "secret.checked")]
    Checked {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value is not stored in the vault.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// The worst that was found: `ok`, `warning` or `error`; `failed` if GitHub did not answer and
        /// so nothing was found.
        outcome: &'a str,
        /// The words of what is not as it should be, such as `wrong_owner`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        found: Vec<&'a str>,
        /// The login it belongs to, or an App's client id, as far as is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        login: Option<&'a str>,
        /// When it ends, as far as is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// Why GitHub did not answer, if it did not.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
    },
    /// A recorded change to a secret could not be carried out.
    #[serde(rename = "secret.failed")]
    Failed {
        /// The secret.
        secret: &'a str,
        /// The record that announced the change.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
    /// A secret's values are about to be erased from the vault.
    #[serde(rename = "secret.removed")]
    Removed {
        /// Who; `None` if the broker finishes a removal that the log announces.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// The last of the versions that are erased.
        version: u64,
    },
    /// A secret comes near its deadline, or is past it.
    #[serde(rename = "deadline.warned")]
    DeadlineWarned {
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value is not stored in the vault.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// By when it must have changed.
        deadline: Timestamp,
        /// `ok`, `due`, `overdue` or `expired`.
        state: &'a str,
        /// Whole days to the deadline, rounded up; 0 on the day it passed, then negative.
        days_left: i64,
    },
    /// Every stored value of a secret is about to be ended at GitHub.
    #[serde(rename = "secret.revoking")]
    Revoking {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The versions.
        versions: Vec<u64>,
        /// Base64 SHA-256 of each one's value.
        hashed_credentials: Vec<&'a str>,
    },
    /// GitHub refused every stored value of a secret; they are about to be erased.
    #[serde(rename = "secret.revoked")]
    Revoked {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The versions.
        versions: Vec<u64>,
        /// Base64 SHA-256 of each one's value.
        hashed_credentials: Vec<&'a str>,
    },
}
