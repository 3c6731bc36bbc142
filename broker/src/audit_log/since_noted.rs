//! What the log tells of the time after the head that the vault noted.
//!
//! The vault lies in another place and is written at other moments. After a crash it has not been told
//! of the last grants; put back to an earlier copy, it does not know the newest versions of secrets, and
//! still has those that were removed. All of it is read off the records it has not seen.

use std::collections::BTreeMap;

use broker_protocol::names::SecretName;
use serde::Deserialize;

use super::segment::Line;

/// Gathered from the records after the noted head.
#[derive(Debug, Default)]
pub(super) struct SinceNoted {
    /// Bodies of `lease.granted`, oldest first.
    pub(super) granted: Vec<Box<str>>,
    /// Highest version that a `secret.set`, or the swap or way back of a rotation, names.
    pub(super) secret_versions: BTreeMap<SecretName, u64>,
    /// Secrets that were removed and not set again, with the record that says so.
    pub(super) removed: BTreeMap<SecretName, u64>,
    /// Records whose change could not be carried out.
    failed: Vec<u64>,
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
    /// Takes in the next line.
    pub(super) fn take(&mut self, line: &Line<'_>) {
        match line.kind {
            "lease.granted" => self.granted.push(line.body.into()),
            "secret.set" | "rotation.swapped" | "rotation.rolled_back" => {
                if let Ok(SecretSet { secret, version }) = serde_json::from_str(line.text) {
                    self.removed.remove(&secret);
                    self.raise(secret, version);
                }
            }
            "secret.removed" => {
                if let Ok(SecretRemoved { secret }) = serde_json::from_str(line.text) {
                    self.removed.insert(secret, line.seq);
                }
            }
            "secret.failed" => {
                if let Ok(SecretFailed { announced }) = serde_json::from_str(line.text) {
                    self.fail(announced);
                }
            }
            _ => {}
        }
    }

    /// Takes in what a later segment tells.
    pub(super) fn extend(&mut self, later: Self) {
        self.granted.extend(later.granted);
        for (secret, version) in later.secret_versions {
            self.removed.remove(&secret);
            self.raise(secret, version);
        }
        self.removed.extend(later.removed);
        for announced in later.failed {
            self.fail(announced);
        }
    }

    fn fail(&mut self, announced: u64) {
        self.removed.retain(|_, seq| *seq != announced);
        self.failed.push(announced);
    }

    fn raise(&mut self, secret: SecretName, version: u64) {
        let highest = self.secret_versions.entry(secret).or_default();
        *highest = version.max(*highest);
    }
}
