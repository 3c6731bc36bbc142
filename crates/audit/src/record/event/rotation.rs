//! Rotations of secrets, and the sinks they write to.

use jiff::Timestamp;
use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum RotationEvent<'a> {
    /// A value is about to be evaluated as the next one of a secret; it lives in memory alone.
    #[serde(rename = "rotation.begun")]
    Begun {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The version in use; absent if there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<u64>,
        /// Base64 SHA-256 of the new value.
        hashed_credential: &'a str,
    },
    /// The new value is about to be stored and used; the old one stays.
    #[serde(rename = "rotation.swapped")]
    Swapped {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The version it will be.
        version: u64,
        /// The version that was in use; absent if there was none.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<u64>,
        /// Base64 SHA-256 of the new value.
        hashed_credential: &'a str,
        /// Its end at GitHub, where known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// GitHub took the stored new value in a live call.
    #[serde(rename = "rotation.verified")]
    Verified {
        /// The secret.
        secret: &'a str,
        /// The version in use.
        version: u64,
    },
    /// Someone said when the old value may be ended.
    #[serde(rename = "rotation.confirmed")]
    Confirmed {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// From then on the broker ends it.
        revoke_at: Timestamp,
    },
    /// GitHub is about to be asked to end the old value.
    #[serde(rename = "rotation.revoking")]
    Revoking {
        /// Who asked for it now; absent if the broker goes on by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// The old version.
        version: u64,
        /// Base64 SHA-256 of its value.
        hashed_credential: &'a str,
    },
    /// GitHub refused the old value with 401: it is dead.
    #[serde(rename = "rotation.revoked")]
    Revoked {
        /// The secret.
        secret: &'a str,
        /// The old version.
        version: u64,
        /// Base64 SHA-256 of its value.
        hashed_credential: &'a str,
    },
    /// The old value is about to be stored again, as a new version, and used.
    #[serde(rename = "rotation.rolled_back")]
    RolledBack {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The version it will be.
        version: u64,
        /// The version whose value comes back.
        restores: u64,
        /// Base64 SHA-256 of the value.
        hashed_credential: &'a str,
    },
    /// All versions but the one in use are about to be erased, which ends the rotation.
    #[serde(rename = "rotation.finished")]
    Finished {
        /// The secret.
        secret: &'a str,
        /// The version in use.
        version: u64,
        /// `rotated` or `rolled_back`.
        outcome: &'a str,
        /// The versions that are erased.
        erases: Vec<u64>,
    },
    /// A step of a rotation failed.
    #[serde(rename = "rotation.failed")]
    Failed {
        /// The secret.
        secret: &'a str,
        /// `check`, `swap`, `verify`, `revoke`, `prove`, `erase` or `roll_back`.
        step: &'a str,
        /// In plain words.
        why: &'a str,
        /// Whether what was wanted may have happened at GitHub all the same.
        may_have_happened: bool,
    },
    /// A value arrived in a sink, as its date proves.
    #[serde(rename = "sink.pushed")]
    SinkPushed {
        /// The secret.
        secret: &'a str,
        /// The version it holds now.
        version: u64,
        /// Which, in the words of the policies.
        sink: &'a str,
        /// When GitHub says it was updated.
        updated_at: Timestamp,
        /// Whether it was not there before.
        created: bool,
    },
    /// A value is not known to have arrived in a sink.
    #[serde(rename = "sink.failed")]
    SinkFailed {
        /// The secret.
        secret: &'a str,
        /// The version it was to hold.
        version: u64,
        /// Which, in the words of the policies.
        sink: &'a str,
        /// In plain words.
        why: &'a str,
        /// Whether it may have arrived all the same.
        may_have_happened: bool,
    },
}
