//! What the log records after the head that the vault noted.
//!
//! The vault is in another place and is written at other moments. After a crash it does not know
//! of the last grants; put back to an earlier copy, it does not know the newest versions of secrets, and
//! still has those that were removed. All of it is read off the records it has not seen. Only the key for
//! their MACs shows which of them are genuine.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use serde::Deserialize;

use super::segment::Line;

/// Gathered from the records after the noted head; no MAC is checked yet.
#[derive(Debug, Clone, Default)]
pub struct SinceNoted {
    /// Bodies of `lease.granted`, oldest first.
    pub granted: Vec<Box<str>>,
    /// Highest version of each secret that a `secret.set`, or the swap or way back of a rotation, names.
    pub secret_versions: BTreeMap<SecretName, u64>,
    /// Every `secret.removed`, oldest first.
    pub removals: Vec<Removal>,
    /// The bodies of `secret.failed`, each with the number of the record whose change failed.
    pub failed_changes: Vec<(u64, Box<str>)>,
}

/// A record that a secret's values are about to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The secret.
    pub secret: SecretName,
    /// The record's number.
    pub seq: u64,
    /// Its body, MAC included if it has one.
    pub body: Box<str>,
}

#[derive(Deserialize)]
struct SecretRemoved {
    secret: SecretName,
}

#[derive(Deserialize)]
struct SecretFailed {
    announced: u64,
}

#[derive(Deserialize)]
struct SecretSet {
    secret: SecretName,
    version: u64,
}

impl SinceNoted {
    /// Takes in the next line, if it is a grant.
    pub(super) fn take_grant(&mut self, line: &Line<'_>) {
        if line.kind == "lease.granted" {
            self.granted.push(line.body.into());
        }
    }

    /// Takes in the next line, if it is a change of a secret.
    pub(super) fn take_change(&mut self, line: &Line<'_>) {
        match line.kind {
            "secret.set" | "rotation.swapped" | "rotation.rolled_back" => {
                if let Ok(SecretSet { secret, version }) = serde_json::from_str(line.text) {
                    let highest = self.secret_versions.entry(secret).or_default();
                    *highest = version.max(*highest);
                }
            }
            "secret.removed" => {
                if let Ok(SecretRemoved { secret }) = serde_json::from_str(line.text) {
                    let (seq, body) = (line.seq, line.body.into());
                    self.removals.push(Removal { secret, seq, body });
                }
            }
            "secret.failed" => {
                if let Ok(SecretFailed { announced }) = serde_json::from_str(line.text) {
                    self.failed_changes.push((announced, line.body.into()));
                }
            }
            _ => {}
        }
    }
}
