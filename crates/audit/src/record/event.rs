//! Every kind of record and its fields, in the words of docs/audit-format.md.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Caller, Issued, Lease};

/// What a record reports. Serialises with its `kind` first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
#[non_exhaustive]
pub enum Event<'a> {
    /// First record of a log.
    #[serde(rename = "log.opened")]
    LogOpened {
        /// 32 hexadecimal digits, made with the log; part of what a lease's MAC covers.
        log_id: &'a str,
        /// Ed25519 public key, base64.
        public_key: &'a str,
        /// `tokend-audit-v1`.
        format: &'a str,
    },
    /// Bytes at the end of a segment that were no records were moved aside.
    #[serde(rename = "log.recovered")]
    LogRecovered {
        /// The segment they were in.
        segment: &'a str,
        /// Where the bytes lie now.
        moved_to: &'a str,
        /// How many.
        bytes: u64,
        /// Their SHA-256, hexadecimal.
        sha256: &'a str,
        /// Why, in plain words.
        why: &'a str,
    },
    /// The broker started.
    #[serde(rename = "broker.started")]
    BrokerStarted {
        /// Its version.
        version: &'a str,
        /// Its process.
        pid: u32,
        /// The account it runs as.
        uid: u32,
        /// Kernel boot.
        boot_id: &'a str,
    },
    /// Live leases were rebuilt from the log after an unlock.
    #[serde(rename = "leases.rebuilt")]
    LeasesRebuilt {
        /// Honoured again.
        honoured: u64,
        /// Ended meanwhile, revoked, or never handed out.
        ended: u64,
        /// Records of leases whose MAC was not this vault's. Anything but 0 means that someone else
        /// wrote into the log.
        refused: u64,
    },
    /// The broker stopped in good order.
    #[serde(rename = "broker.stopped")]
    BrokerStopped {
        /// Why: `SIGTERM` or `SIGINT`.
        why: &'a str,
    },
    /// A policy set is in force.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded {
        /// File name to SHA-256, hexadecimal.
        files: &'a BTreeMap<String, String>,
    },
    /// A reload was refused; the old set stays in force.
    #[serde(rename = "policy.refused")]
    PolicyRefused {
        /// The errors, one a line.
        why: &'a str,
    },
    /// Opens a segment: leases live at this point, as the MACed bodies of their own records.
    #[serde(rename = "leases.open")]
    LeasesOpen {
        /// This part, counted from 1.
        part: u64,
        /// How many parts follow each other, perhaps over several segments.
        parts: u64,
        /// The number of each record.
        seqs: Vec<u64>,
        /// The exact text of each body, MAC included: a lease's grant or last renewal, and after it
        /// whatever `lease.issued` followed that.
        leases: Vec<Cow<'a, str>>,
    },
    /// Opens a segment that goes on with what an earlier one began: leases live at this point are told
    /// from there on.
    #[serde(rename = "leases.continued")]
    LeasesContinued {
        /// First record of the segment whose `leases.open` still counts.
        since: u64,
    },
    /// Policy said yes. Carries a MAC.
    #[serde(rename = "lease.granted")]
    LeaseGranted(Lease<'a>),
    /// A live lease was prolonged. Carries a MAC.
    #[serde(rename = "lease.renewed")]
    LeaseRenewed(Lease<'a>),
    /// A value that was not known at the grant is about to be handed out. Carries a MAC.
    #[serde(rename = "lease.issued")]
    LeaseIssued(Issued<'a>),
    /// A granted lease could not be honoured; nothing was handed out.
    #[serde(rename = "lease.failed")]
    LeaseFailed {
        /// The lease.
        lease: &'a str,
        /// The stable error code.
        code: &'a str,
        /// In plain words.
        why: &'a str,
    },
    /// Policy said no.
    #[serde(rename = "lease.denied")]
    LeaseDenied {
        /// Who asked.
        caller: Caller<'a>,
        /// What for.
        purpose: &'a str,
        /// The rule that spoke, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'a str>,
        /// `denied`, `too_wide`, `secret_missing` or `secret_expired`.
        code: &'a str,
        /// In plain words, for operators.
        why: &'a str,
        /// The caller's own words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// More refusals of one account than are recorded one by one.
    #[serde(rename = "lease.denied_more")]
    LeaseDeniedMore {
        /// The account.
        uid: u32,
        /// How many were not recorded one by one.
        count: u64,
        /// When counting began.
        since: Timestamp,
    },
    /// A lease was ended before its time.
    #[serde(rename = "lease.revoked")]
    LeaseRevoked {
        /// The lease.
        lease: &'a str,
        /// The purpose.
        purpose: &'a str,
        /// The secret.
        secret: &'a str,
        /// Who ended it; absent if the broker did.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// In plain words.
        why: &'a str,
    },
    /// A lease reached its end.
    #[serde(rename = "lease.expired")]
    LeaseExpired {
        /// The lease.
        lease: &'a str,
        /// The purpose.
        purpose: &'a str,
        /// The secret.
        secret: &'a str,
        /// `ttl`, `caller_exit` or `clock`.
        why: &'a str,
    },
    /// A new version of a secret is about to be stored.
    #[serde(rename = "secret.set")]
    SecretSet {
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
    SecretUsed {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value does not lie in the vault.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// `check`, `rate_limit`, `sink`, `rotation`, `revocation`, `installation`, `source`, `refresh`,
        /// `probe` or `move`.
        what_for: &'a str,
        /// The place that is read, where it need not be the one that policies name: for `move`.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<&'a str>,
    },
    /// GitHub limits a principal: told once for each window of a limit.
    #[serde(rename = "github.limited")]
    GitHubLimited {
        /// Whose budget: `user acme-bot`, `installation 4711`, `app Iv23…` or `anonymous`.
        principal: &'a str,
        /// `primary`: the requests of a window are used up; `secondary`: too many, too fast.
        limit: &'a str,
        /// Which resource, of a primary limit, such as `core`.
        #[serde(skip_serializing_if = "Option::is_none")]
        resource: Option<&'a str>,
        /// When it ends.
        until: Timestamp,
    },
    /// A secret was checked against GitHub, or that was tried.
    #[serde(rename = "secret.checked")]
    SecretChecked {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value does not lie in the vault.
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
    SecretFailed {
        /// The secret.
        secret: &'a str,
        /// The record that announced the change.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
    /// A secret's values are about to be erased from the vault.
    #[serde(rename = "secret.removed")]
    SecretRemoved {
        /// Who; `None` if the broker finishes a removal that the log announces.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The secret.
        secret: &'a str,
        /// The last of the versions that are erased.
        version: u64,
    },
    /// A value is about to be written to another place, or is seen to be there.
    #[serde(rename = "secret.moving")]
    SecretMoving {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where it lies, as policies name it.
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
    SecretMoved {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where the old copy lies.
        from: &'a str,
        /// Where it is taken from.
        to: &'a str,
        /// Base64 SHA-256 of the value.
        hashed_credential: &'a str,
    },
    /// Policies name the old place again, and it gave the value.
    #[serde(rename = "secret.moved_back")]
    SecretMovedBack {
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
    SecretMoveFinished {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// Where the old copy lay.
        from: &'a str,
        /// Where it is taken from.
        to: &'a str,
        /// `erased`, `gone` (nothing was there any more) or `left` (a person removes it).
        old: &'a str,
    },
    /// A value could not be written or erased where it lies.
    #[serde(rename = "secret.move_failed")]
    SecretMoveFailed {
        /// The secret.
        secret: &'a str,
        /// `write` or `erase`.
        step: &'a str,
        /// The place.
        source: &'a str,
        /// In plain words. It may have happened all the same.
        why: &'a str,
    },
    /// A secret comes near its deadline, or is past it.
    #[serde(rename = "deadline.warned")]
    DeadlineWarned {
        /// The secret.
        secret: &'a str,
        /// Which version; absent where the value does not lie in the vault.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// By when it must have changed.
        deadline: Timestamp,
        /// `ok`, `due`, `overdue` or `expired`.
        state: &'a str,
        /// Whole days to the deadline, rounded up; 0 on the day it passed, then negative.
        days_left: i64,
    },
    /// An installation token was minted for the broker's own use, and is about to be used.
    #[serde(rename = "token.minted")]
    TokenMinted {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// `sink`.
        what_for: &'a str,
        /// When it ends at GitHub, unless it is ended before.
        expires_at: Timestamp,
    },
    /// An installation token is dead at GitHub: ended there, or not accepted any more.
    #[serde(rename = "token.revoked")]
    TokenRevoked {
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// Who ended it; absent if its last lease, or the broker's own use of it, was over.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// How that is known, in plain words.
        how: &'a str,
    },
    /// An installation token could not be ended at GitHub and lived to its own end.
    #[serde(rename = "token.not_revoked")]
    TokenNotRevoked {
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// When GitHub ended it.
        expired_at: Timestamp,
    },
    /// A value is about to be evaluated as the next one of a secret; it lives in memory alone.
    #[serde(rename = "rotation.begun")]
    RotationBegun {
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
    RotationSwapped {
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
    RotationVerified {
        /// The secret.
        secret: &'a str,
        /// The version in use.
        version: u64,
    },
    /// Someone said when the old value may be ended.
    #[serde(rename = "rotation.confirmed")]
    RotationConfirmed {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// From then on the broker ends it.
        revoke_at: Timestamp,
    },
    /// GitHub is about to be asked to end the old value.
    #[serde(rename = "rotation.revoking")]
    RotationRevoking {
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
    RotationRevoked {
        /// The secret.
        secret: &'a str,
        /// The old version.
        version: u64,
        /// Base64 SHA-256 of its value.
        hashed_credential: &'a str,
    },
    /// The old value is about to be stored again, as a new version, and used.
    #[serde(rename = "rotation.rolled_back")]
    RotationRolledBack {
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
    RotationFinished {
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
    RotationFailed {
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
    /// Every stored value of a secret is about to be ended at GitHub.
    #[serde(rename = "secret.revoking")]
    SecretRevoking {
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
    SecretRevoked {
        /// Who.
        by: Caller<'a>,
        /// The secret.
        secret: &'a str,
        /// The versions.
        versions: Vec<u64>,
        /// Base64 SHA-256 of each one's value.
        hashed_credentials: Vec<&'a str>,
    },
    /// The id that is kept for a repository's name is about to be forgotten.
    #[serde(rename = "repository.unpinned")]
    RepositoryUnpinned {
        /// Who.
        by: Caller<'a>,
        /// The name, `owner/name` in lower case.
        repository: &'a str,
        /// The id that it meant until now.
        id: u64,
    },
    /// That could not be carried out.
    #[serde(rename = "repository.failed")]
    RepositoryFailed {
        /// The name.
        repository: &'a str,
        /// The record that announced the change.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
    /// The root key was forgotten.
    #[serde(rename = "vault.locked")]
    VaultLocked {
        /// Who.
        by: Caller<'a>,
    },
    /// The root key was loaded.
    #[serde(rename = "vault.unlocked")]
    VaultUnlocked {
        /// Who; absent at start.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// `file`, `passphrase`, `credential`, `keyring` or `recovery`.
        root_key: &'a str,
    },
    /// Someone else changed what the vault had noted of this log.
    #[serde(rename = "vault.mismatch")]
    VaultMismatch {
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
    VaultUnlockRefused {
        /// Who.
        by: Caller<'a>,
        /// In plain words.
        why: &'a str,
    },
    /// A new root key is about to be made, and all data keys sealed under it.
    #[serde(rename = "vault.rekeying")]
    VaultRekeying {
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
    VaultRekeyed {
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
    VaultRekeyFailed {
        /// Number of the record that announced it.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
    /// A backup is about to leave the broker, and the root key in it, sealed under a passphrase.
    #[serde(rename = "vault.backed_up")]
    VaultBackedUp {
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
    VaultRestored {
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
    /// Someone began to read the log through the broker.
    #[serde(rename = "audit.read")]
    AuditRead {
        /// Who.
        by: Caller<'a>,
        /// First record of the reading, which may go on to the log's end.
        from: u64,
    },
}
