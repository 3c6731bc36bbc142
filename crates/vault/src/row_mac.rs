//! What the vault tells the next start about the audit log, under a key that outlives a lock.
//!
//! The noted head and the tombstones decide whether a lease found in the log is honoured, and both are
//! written while the store is locked: the kill switch locks first. So their MAC is under a key of its
//! own, made from the MAC key at the first unlock. It makes these MACs and those of removals, and opens
//! nothing. The same MAC covers what a broker resumes after a start: rotations, sinks, moves, and
//! which repository a name means. By those it ends and erases values.
//!
//! Until the first unlock there is no such key. What is written meanwhile stands beside what the MAC
//! covers, never in its place: a later head, which the log must lead through as well, and further
//! tombstones, which can only take leases away. The unlock takes both in. All else waits for it.
//!
//! Where the MAC is not the vault's, no lease of before is honoured, what the broker would resume is
//! forgotten, and nothing is covered by a new MAC until the ends of those leases are in the log: otherwise
//! a kill in between would make what was found look genuine.

use std::collections::HashMap;
use std::io;

use broker_audit::chain::Head;
use broker_protocol::names::{LeaseId, SecretName};
use broker_secret_memory::locked_memory::LockedKey;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::LogIdentity;
use super::keys::{Keys, ListForm, Tag, hmac};
use super::state::State;

/// What the MAC of the last note covers, and the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignedHead {
    pub(super) head: Option<Head>,
    pub(super) mac: [u8; 32],
}

/// What the first unlock since the start found, and the key for the MACs from then on.
pub(super) struct Witness {
    /// Where what was found is not the vault's own, no head or row is put under it until the ends of leases
    /// are recorded.
    pub(super) key: WitnessKey,
    /// The sum over the rows; where what was found is not the vault's own, what was forgotten for it.
    pub(super) found: Result<RowSum, Forgotten>,
}

impl Witness {
    /// Compares what was loaded with its MAC. A vault of format 4 has none, and is taken at its
    /// word this once.
    ///
    /// Where it differs, `state` forgets what the broker would resume.
    pub(super) fn evaluate(keys: &Keys, state: &mut State) -> Result<Self, io::Error> {
        let key = WitnessKey::of(keys)?;
        let sum = RowSum::of(&key, state.rows());
        let genuine = state.signed_head.is_some_and(|signed_head| {
            let tag = key.tag(&state.list.log, signed_head.head, &sum);
            tag.is(&signed_head.mac)
        });
        let found = match genuine || keys.list_form == ListForm::V1 {
            true => Ok(sum),
            false => Err(state.forget_work_under_way()),
        };
        Ok(Self { key, found })
    }
}

/// What the broker would have resumed, and does not since another program may have written it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Secrets whose rotation was under way.
    pub rotations: Vec<SecretName>,
    /// Secrets whose move was under way.
    pub moves: Vec<SecretName>,
    /// How many names of repositories had an id.
    pub repositories: usize,
}

/// SHA-256 of a state's text as it is stored: another build may write the same state differently.
pub(super) type Digest = [u8; 32];

/// A row that decides something after a start.
#[derive(Clone, Copy)]
pub(super) enum Row<'a> {
    /// A lease that was revoked, and until when that is kept.
    Tombstone(&'a LeaseId, Timestamp),
    Rotation(&'a SecretName, &'a Digest),
    Sink(&'a SecretName, &'a str, &'a Digest),
    Move(&'a SecretName, &'a Digest),
    /// A name, and the id it means.
    Repository(&'a str, u64),
}

/// Makes the MACs over heads, rows and removals, and nothing else. It has no `Debug` and no `Clone`.
pub(super) struct WitnessKey(LockedKey);

impl WitnessKey {
    pub(super) fn of(keys: &Keys) -> Result<Self, io::Error> {
        let made = Zeroizing::new(keys.mac("tokend witness key v1", []).bytes());
        LockedKey::copy_of(&made).map(Self)
    }

    /// Over the text of a record that has a value erased, bound to the log.
    pub(super) fn removal(&self, log: &LogIdentity, covered: &str) -> Tag {
        let log_id = log.log_id.as_bytes();
        let parts = [log_id, &[0], covered.as_bytes()];
        hmac(self.0.expose(), "tokend removal v1", parts)
    }

    fn tag(&self, log: &LogIdentity, head: Option<Head>, rows: &RowSum) -> Tag {
        let mut out = Vec::with_capacity(128);
        super::envelope::text(&mut out, &log.log_id);
        let head =
            head.map(|head| [&head.records.to_be_bytes()[..], head.hash.as_bytes()].concat());
        super::envelope::optional(&mut out, head);
        out.extend_from_slice(&rows.0);
        hmac(self.0.expose(), "tokend witness v1", [out.as_slice()])
    }

    /// A head and all rows, under a MAC.
    pub(super) fn sign_head(
        &self,
        log: &LogIdentity,
        head: Option<Head>,
        rows: &RowSum,
    ) -> SignedHead {
        let mac = self.tag(log, head, rows).bytes();
        SignedHead { head, mac }
    }

    fn row(&self, row: Row<'_>) -> [u8; 32] {
        // No name has a zero byte, and what follows the names has one length.
        let (table, names, rest): (_, [&str; 2], &[u8]) = match row {
            Row::Tombstone(lease, until) => {
                let until = until.as_microsecond().to_be_bytes();
                let parts = [lease.as_str().as_bytes(), &[0], &until];
                return hmac(self.0.expose(), "tokend tombstone v1", parts).bytes();
            }
            Row::Rotation(secret, digest) => ("rotation", [secret.as_str(), ""], digest),
            Row::Sink(secret, sink, digest) => ("sink", [secret.as_str(), sink], digest),
            Row::Move(secret, digest) => ("move", [secret.as_str(), ""], digest),
            Row::Repository(name, id) => ("repository", [name, ""], &id.to_be_bytes()),
        };
        let [first, second] = names.map(str::as_bytes);
        let parts = [table.as_bytes(), &[0], first, &[0], second, &[0], rest];
        hmac(self.0.expose(), "tokend row v1", parts).bytes()
    }
}

/// All rows in 32 bytes: the sum, without carries, of a MAC over each. One more or fewer costs one MAC
/// however many there are. It is never stored, and what is stored is a MAC over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowSum([u8; 32]);

impl RowSum {
    pub(super) fn of<'a>(key: &WitnessKey, rows: impl IntoIterator<Item = Row<'a>>) -> Self {
        Self::default().turned(key, rows)
    }

    /// With those that are not in it, without those that are.
    pub(super) fn turned<'a>(
        mut self,
        key: &WitnessKey,
        rows: impl IntoIterator<Item = Row<'a>>,
    ) -> Self {
        for row in rows {
            for (sum, byte) in self.0.iter_mut().zip(key.row(row)) {
                *sum ^= byte;
            }
        }
        self
    }

    /// What it is once these are added and those whose time is past are gone.
    pub(super) fn after(
        self,
        key: &WitnessKey,
        tombstones: &HashMap<LeaseId, Timestamp>,
        new: &NewTombstones,
    ) -> Self {
        let there = tombstones.iter();
        let gone =
            there.filter(|(lease, until)| **until < new.now || new.leases.contains_key(*lease));
        let rows = gone.chain(&new.leases);
        self.turned(
            key,
            rows.map(|(lease, until)| Row::Tombstone(lease, *until)),
        )
    }
}

/// Leases that get a tombstone, each once, and the moment before which old ones go.
pub(super) struct NewTombstones {
    pub(super) leases: HashMap<LeaseId, Timestamp>,
    pub(super) now: Timestamp,
}
