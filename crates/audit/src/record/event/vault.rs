//! The vault: its root key, its lock, its backups.

use jiff::Timestamp;
use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum VaultEvent<'a> {
    /// The root key was forgotten.
    #[serde(rename = "vault.locked")]
    Locked {
        /// Who.
        by: Caller<'a>,
    },
    /// The root key was loaded.
    #[serde(rename = "vault.unlocked")]
    Unlocked {
        /// Who; absent at start.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// `file`, `passphrase`, `credential`, `keyring` or `recovery`.
        root_key: &'a str,
    },
    /// Someone else changed what the vault had noted of this log.
    #[serde(rename = "vault.mismatch")]
    Mismatch {
        /// `witness`: the noted head, or a row that decides something after a start.
        what: &'a str,
        /// How many leases were not honoured for it.
        ended: u64,
        /// Secrets whose rotation was under way and is forgotten.
        rotations: &'a [&'a str],
        /// Secrets whose move was under way and is forgotten.
        moves: &'a [&'a str],
        /// How many names of repositories are looked up once more.
        repositories: u64,
    },
    /// An attempt to unlock failed.
    #[serde(rename = "vault.unlock_refused")]
    UnlockRefused {
        /// Who.
        by: Caller<'a>,
        /// In plain words.
        why: &'a str,
    },
    /// A new root key is about to be made, and all data keys sealed under it.
    #[serde(rename = "vault.rekeying")]
    Rekeying {
        /// Who; absent where the broker acts by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// Where the root key comes from: `file`, `passphrase`, `credential` or `keyring`.
        from: &'a str,
        /// Where it will.
        to: &'a str,
        /// The version it will be.
        version: u32,
    },
    /// It is in force.
    #[serde(rename = "vault.rekeyed")]
    Rekeyed {
        /// Number of the record that announced it.
        announced: u64,
        /// Where the root key comes from now.
        root_key: &'a str,
        /// Its version.
        version: u32,
        /// How many data keys are sealed under it.
        data_keys: u64,
        /// What is left for an operator to do, in plain words.
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<&'a str>,
    },
    /// It did not come into force; the root key before stays in force.
    #[serde(rename = "vault.rekey_failed")]
    RekeyFailed {
        /// Number of the record that announced it.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
    /// A backup is about to leave the broker, and the root key in it, sealed under a passphrase.
    #[serde(rename = "vault.backed_up")]
    BackedUp {
        /// Who asked for it.
        by: Caller<'a>,
        /// SHA-256 of the backup's bytes, hexadecimal.
        sha256: &'a str,
        /// How many bytes.
        bytes: u64,
        /// Secrets in it that have a value.
        secrets: u64,
        /// Versions of all of them.
        versions: u64,
        /// Files of policies and decision tables in it.
        policies: u64,
    },
    /// This log begins with a vault that came out of a backup. No lease of the log before is honoured.
    #[serde(rename = "vault.restored")]
    Restored {
        /// The account that restored it.
        uid: u32,
        /// The vault, 32 hexadecimal digits.
        vault: &'a str,
        /// SHA-256 of the backup's bytes, hexadecimal.
        sha256: &'a str,
        /// When the backup was made.
        made_at: Timestamp,
        /// The log that the vault belonged to then.
        old_log: &'a str,
        /// How many records that log had then; it may have got more.
        old_records: u64,
        /// The hash of the last of them.
        old_head: &'a str,
        /// Where the root key is kept now: `file`, `keyring` or `passphrase`.
        root_key: &'a str,
    },
}
