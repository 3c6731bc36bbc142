//! What the vault knows without its key: names, versions, hashes, dates, and sealed values.
//!
//! All of it is read once at start and kept, so that neither a lease nor a status touches the
//! database. Ten thousand secrets are a few megabytes.
//!
//! The list of names and versions carries a MAC. Each envelope is bound to its own place, but only
//! the list can tell that a row is *missing*, or that an older one was put back in its stead.

use std::collections::{BTreeMap, HashMap};

use broker_audit::chain::Head;
use broker_policy::SecretKind;
use broker_protocol::api::Exposure;
use broker_protocol::names::{LeaseId, Purpose, SecretName};
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::checks::CompactCheck;
use super::envelope::Identity;
use super::error::VaultError;
use super::key_record::KeyRecord;
use super::keys::{Keys, ListForm, Tag};
use super::minted::SealedMinted;
use super::row_mac::{Digest, Forgotten, Row, SignedHead};
use super::{LogIdentity, StoredSecret};
use crate::first_seen::FirstSeen;
use crate::move_state::Move;
use crate::rotation_state::{Rotation, SinkState};
use crate::store::Mark;

/// One version of a secret.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) version: u64,
    pub(super) kind: Option<SecretKind>,
    pub(super) hashed_credential: HashedToken,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) set_at: Timestamp,
    pub(super) envelope: Box<[u8]>,
}

impl Sealed {
    /// When it ends at GitHub: what the last check found if it was of this version, or else what was
    /// entered.
    fn ends(&self, checked: Option<&CompactCheck>) -> Option<Timestamp> {
        let checked = checked.and_then(CompactCheck::checked);
        let checked = checked.filter(|checked| checked.version == Some(self.version));
        checked.map_or(self.expires_at, |checked| checked.expires_at)
    }

    pub(super) fn identity<'a>(&'a self, vault: &'a str, name: &'a SecretName) -> Identity<'a> {
        Identity {
            vault,
            name: name.as_str(),
            version: self.version,
            kind: self.kind,
            hash: self.hashed_credential.as_str(),
            expires_at: self.expires_at,
            set_at: self.set_at,
        }
    }
}

/// One secret, perhaps without a value: reserved, or removed.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) created_at: Timestamp,
    pub(super) last_version: u64,
    /// Ascending.
    pub(super) versions: Vec<Sealed>,
}

impl Secret {
    /// Adds the newest version. Most secrets have one or two, so room for no more is made.
    pub(super) fn add(&mut self, newest: Sealed) {
        self.versions.reserve_exact(1);
        self.versions.push(newest);
    }

    /// `checked` is what the last check of this secret found.
    pub(super) fn held(&self, checked: Option<&CompactCheck>) -> Option<StoredSecret> {
        self.versions.last().map(|newest| StoredSecret {
            version: newest.version,
            kind: newest.kind,
            hashed_credential: newest.hashed_credential.clone(),
            expires_at: newest.ends(checked),
            entered_expires_at: newest.expires_at,
            created_at: self.created_at,
            set_at: newest.set_at,
        })
    }

    pub(super) fn outline(&self) -> Outline {
        Outline {
            created_at: self.created_at,
            last_version: self.last_version,
            versions: self.versions.iter().map(|sealed| sealed.version).collect(),
        }
    }
}

/// What the list's MAC says of one secret.
pub(super) struct Outline {
    pub(super) created_at: Timestamp,
    pub(super) last_version: u64,
    pub(super) versions: Vec<u64>,
}

impl Outline {
    fn bytes(&self, name: &SecretName) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        super::envelope::text(&mut out, name.as_str());
        out.extend_from_slice(&self.created_at.as_microsecond().to_be_bytes());
        out.extend_from_slice(&self.last_version.to_be_bytes());
        let count = u64::try_from(self.versions.len()).unwrap_or(u64::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for version in &self.versions {
            out.extend_from_slice(&version.to_be_bytes());
        }
        out
    }
}

/// Names and versions, and the MAC over them.
#[derive(Debug)]
pub(super) struct List {
    pub(super) secrets: BTreeMap<SecretName, Secret>,
    pub(super) log: LogIdentity,
    /// Counts every change of the list; part of what the MAC covers.
    pub(super) changes: u64,
    pub(super) mac: Box<[u8]>,
}

impl List {
    /// A secret that has a value here.
    pub(super) fn with_value(&self, name: &SecretName) -> Result<&Secret, VaultError> {
        let secret = self.secrets.get(name);
        let secret = secret.filter(|secret| !secret.versions.is_empty());
        secret.ok_or_else(|| VaultError::NoValue(name.clone()))
    }

    /// Whether the list is as it was written under these keys, which learn in which form its MAC is.
    pub(super) fn is_genuine(&self, keys: &mut Keys) -> bool {
        let forms = [ListForm::V2, ListForm::V1];
        forms.into_iter().any(|form| {
            keys.list_form = form;
            self.tag(keys).is(&self.mac)
        })
    }

    /// The MAC over the list as it is.
    pub(super) fn tag(&self, keys: &Keys) -> Tag {
        let start = start_of_tag(keys, keys.list_form, &self.log, self.changes);
        self.tag_with(start, None)
    }

    /// The count and the MAC after the next change of the list: in this form, with this log, and with the
    /// secret that changes, if one does, as it is outlined.
    pub(super) fn next_mark(
        &self,
        keys: &Keys,
        form: ListForm,
        log: &LogIdentity,
        changed: Option<(&SecretName, &Outline)>,
    ) -> Mark {
        let changes = self.changes + 1;
        let start = start_of_tag(keys, form, log, changes);
        Mark {
            changes,
            mac: self.tag_with(start, changed).bytes(),
            signed_head: None,
        }
    }

    fn tag_with(&self, mut tag: Tag, changed: Option<(&SecretName, &Outline)>) -> Tag {
        let mut changed = changed.into_iter().peekable();
        for (name, secret) in &self.secrets {
            if let Some((new, outline)) = changed.next_if(|(new, _)| *new <= name) {
                tag.update(&outline.bytes(new));
                if new == name {
                    continue;
                }
            }
            tag.update(&secret.outline().bytes(name));
        }
        for (name, outline) in changed {
            tag.update(&outline.bytes(name));
        }
        tag
    }
}

fn start_of_tag(keys: &Keys, form: ListForm, log: &LogIdentity, changes: u64) -> Tag {
    let mut head = Vec::new();
    super::envelope::text(&mut head, &log.log_id);
    head.extend_from_slice(&changes.to_be_bytes());
    keys.mac(form.domain(), [&*head])
}

/// Who was handed which value itself: the one in use, or one that another took the place of, by its hash.
pub(super) type ExposedTo = (SecretName, Option<HashedToken>, u32, Purpose);

/// A value that comes into use, and the one that it takes the place of.
pub(super) struct ValueChange {
    pub(super) secret: SecretName,
    pub(super) from: Option<HashedToken>,
    pub(super) to: HashedToken,
}

impl ValueChange {
    /// Whether this is of one of the two values.
    pub(super) fn concerns(&self, (secret, before, ..): &ExposedTo) -> bool {
        *secret == self.secret && before.as_ref().is_none_or(|hashed| *hashed == self.to)
    }

    /// The same exposure once the value is in use: of the one before by its hash, if there was one, and of
    /// the new one, where it was in use before, as the one in use again.
    pub(super) fn turned(&self, of: ExposedTo) -> Option<ExposedTo> {
        let (secret, before, uid, purpose) = of;
        let before = match before {
            None => Some(self.from.clone()?),
            Some(_) => None,
        };
        Some((secret, before, uid, purpose))
    }
}

/// When secrets were last used, and who holds their values.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) last_used: HashMap<SecretName, Timestamp>,
    /// Of the values in use, and of those before them that the vault still has.
    pub(super) exposures: BTreeMap<ExposedTo, Exposure>,
}

impl Figures {
    /// Another value comes into use. Who was handed it, where it was in use before, counts again.
    pub(super) fn turn(&mut self, turn: &ValueChange) {
        let of_both = self.exposures.keys().filter(|key| turn.concerns(key));
        let of_both: Vec<_> = of_both.cloned().collect();
        let turned = of_both.into_iter().filter_map(|key| {
            let exposure = self.exposures.remove(&key)?;
            Some((turn.turned(key)?, exposure))
        });
        let turned: Vec<_> = turned.collect();
        self.exposures.extend(turned);
    }
}

/// All of the vault but its keys.
#[derive(Debug)]
pub(super) struct State {
    pub(super) key_record: KeyRecord,
    pub(super) list: List,
    pub(super) figures: Figures,
    /// By secret, also where its value is stored elsewhere.
    pub(super) checks: BTreeMap<SecretName, CompactCheck>,
    /// As last noted, under a MAC or not.
    pub(super) noted: Option<Head>,
    /// `None` in a vault that has not been unlocked since it became format 5.
    pub(super) signed_head: Option<SignedHead>,
    /// Those that the MAC covers.
    pub(super) tombstones: HashMap<LeaseId, Timestamp>,
    /// Those from before the first unlock.
    pub(super) late_tombstones: HashMap<LeaseId, Timestamp>,
    pub(super) minted: HashMap<HashedToken, SealedMinted>,
    /// `owner/name`, lower case.
    pub(super) repositories: HashMap<Box<str>, u64>,
    pub(super) rotations: BTreeMap<SecretName, Stored<Rotation>>,
    pub(super) first_seen: BTreeMap<SecretName, FirstSeen>,
    pub(super) moves: BTreeMap<SecretName, Stored<Move>>,
    /// By secret, then by the name of the sink.
    pub(super) sinks: BTreeMap<SecretName, BTreeMap<String, Stored<SinkState>>>,
}

/// What is stored as JSON, and the digest of its text.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) state: T,
    pub(super) digest: Digest,
}

/// The states alone.
pub(super) fn states_of<K: Ord + Clone, T: Clone>(rows: &BTreeMap<K, Stored<T>>) -> BTreeMap<K, T> {
    let rows = rows.iter();
    rows.map(|(key, row)| (key.clone(), row.state.clone()))
        .collect()
}

impl State {
    /// Under a MAC or not, each with the later of its times.
    pub(super) fn all_tombstones(&self) -> HashMap<LeaseId, Timestamp> {
        let mut all = self.tombstones.clone();
        for (lease, until) in &self.late_tombstones {
            let kept = all.entry(lease.clone()).or_insert(*until);
            *kept = (*kept).max(*until);
        }
        all
    }

    /// Every row that decides something after a start, but late tombstones.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let tombstones = self.tombstones.iter();
        let tombstones = tombstones.map(|(lease, until)| Row::Tombstone(lease, *until));
        tombstones.chain(self.rows_but_tombstones())
    }

    pub(super) fn rows_but_tombstones(&self) -> impl Iterator<Item = Row<'_>> {
        let rotations = self.rotations.iter();
        let rotations = rotations.map(|(secret, row)| Row::Rotation(secret, &row.digest));
        let moves = self.moves.iter();
        let moves = moves.map(|(secret, row)| Row::Move(secret, &row.digest));
        let sinks = self.sinks.keys().flat_map(|secret| self.sink_rows(secret));
        let names = self.repositories.iter();
        let names = names.map(|(name, id)| Row::Repository(name, *id));
        rotations.chain(moves).chain(sinks).chain(names)
    }

    /// Of one secret.
    pub(super) fn sink_rows(&self, secret: &SecretName) -> impl Iterator<Item = Row<'_>> {
        let of_one = self.sinks.get_key_value(secret).into_iter();
        of_one.flat_map(|(secret, sinks)| {
            let sinks = sinks.iter();
            sinks.map(move |(sink, row)| Row::Sink(secret, sink, &row.digest))
        })
    }

    /// Forgets what a broker resumes after a start, and says what that was.
    pub(super) fn forget_work_under_way(&mut self) -> Forgotten {
        let rotations = std::mem::take(&mut self.rotations).into_iter();
        let under_way = rotations.filter(|(_, row)| row.state.is_under_way());
        self.sinks.clear();
        Forgotten {
            rotations: under_way.map(|(secret, _)| secret).collect(),
            moves: std::mem::take(&mut self.moves).into_keys().collect(),
            repositories: std::mem::take(&mut self.repositories).len(),
        }
    }

    pub(super) fn held(&self, name: &SecretName) -> Option<StoredSecret> {
        self.list.secrets.get(name)?.held(self.checks.get(name))
    }
}
