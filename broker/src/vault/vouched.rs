//! What the vault tells the next start about the audit log, under a key that outlives a lock.
//!
//! The noted head and the tombstones decide whether a lease found in the log is honoured, and both are
//! written while the store is locked: the kill switch locks first. So their MAC is under a key of its
//! own, made from the MAC key at the first unlock. It makes these MACs and those of removals, and opens
//! nothing.
//!
//! Until the first unlock there is no such key. What is written meanwhile stands beside what the MAC
//! covers, never in its place: a later head, which the log must lead through as well, and further
//! tombstones, which can only take leases away. The unlock takes both in.
//!
//! Where the MAC is not the vault's, no lease of before is honoured, and nothing is covered by a new MAC
//! until their ends are in the log: otherwise a kill in between would make what was found look genuine.

use std::collections::HashMap;
use std::io;

use broker_audit::chain::Head;
use broker_protocol::names::LeaseId;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::LogIdentity;
use super::keys::{Keys, ListForm, Tag, hmac};
use super::state::State;
use crate::locked_memory::LockedKey;

/// What the MAC of the last note covers, and the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vouched {
    pub(super) head: Option<Head>,
    pub(super) mac: [u8; 32],
}

/// Whether what was found at the start is the vault's own, as far as is known.
pub(super) enum Witness {
    /// The store was locked since the start.
    NotYet,
    /// It is not. The key is kept for when the ends of leases are recorded.
    Changed(WitnessKey),
    /// It is, and all since then is under the key.
    Genuine(WitnessKey, Graves),
}

impl Witness {
    /// Compares what was loaded with its MAC. A vault from before format 5 has none, and is taken at its
    /// word this once.
    pub(super) fn evaluate(keys: &Keys, state: &State) -> Result<Self, io::Error> {
        let key = WitnessKey::of(keys)?;
        let graves = Graves::of(&key, &state.tombstones);
        if keys.list_form() == ListForm::Alone {
            return Ok(Self::Genuine(key, graves));
        }
        let genuine = state.vouched.is_some_and(|vouched| {
            let tag = key.tag(&state.list.log, vouched.head, &graves);
            tag.is(&vouched.mac)
        });
        Ok(if genuine {
            Self::Genuine(key, graves)
        } else {
            Self::Changed(key)
        })
    }

    pub(super) const fn key(&self) -> Option<&WitnessKey> {
        match self {
            Self::NotYet => None,
            Self::Changed(key) | Self::Genuine(key, _) => Some(key),
        }
    }
}

/// Makes the MACs over heads, tombstones and removals, and nothing else. It has no `Debug` and no `Clone`.
pub(super) struct WitnessKey(LockedKey);

impl WitnessKey {
    pub(super) fn of(keys: &Keys) -> Result<Self, io::Error> {
        let made = Zeroizing::new(keys.mac("tokend witness key v1", []).bytes());
        LockedKey::filled(|room| {
            room.copy_from_slice(&*made);
            Ok(())
        })
        .map(Self)
    }

    /// Over the text of a record that has a value erased, bound to the log.
    pub(super) fn removal(&self, log: &LogIdentity, covered: &str) -> Tag {
        let log_id = log.log_id.as_bytes();
        let parts = [log_id, &[0], covered.as_bytes()];
        hmac(self.0.expose(), "tokend removal v1", parts)
    }

    fn tag(&self, log: &LogIdentity, head: Option<Head>, graves: &Graves) -> Tag {
        let mut out = Vec::with_capacity(128);
        super::envelope::text(&mut out, &log.log_id);
        match head {
            None => out.push(0),
            Some(head) => {
                out.push(1);
                out.extend_from_slice(&head.records.to_be_bytes());
                out.extend_from_slice(head.hash.as_bytes());
            }
        }
        out.extend_from_slice(&graves.0);
        hmac(self.0.expose(), "tokend witness v1", [out.as_slice()])
    }

    /// A head and all tombstones, under a MAC.
    pub(super) fn vouch(&self, log: &LogIdentity, head: Option<Head>, graves: &Graves) -> Vouched {
        let mac = self.tag(log, head, graves).bytes();
        Vouched { head, mac }
    }

    fn grave(&self, lease: &LeaseId, until: Timestamp) -> [u8; 32] {
        let until = until.as_microsecond().to_be_bytes();
        let parts = [lease.as_str().as_bytes(), &[0], &until];
        hmac(self.0.expose(), "tokend tombstone v1", parts).bytes()
    }
}

/// All tombstones in 32 bytes: the sum, without carries, of a MAC over each. One more or fewer costs one
/// MAC however many there are. It is never stored, and what is stored is a MAC over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Graves([u8; 32]);

impl Graves {
    pub(super) fn of(key: &WitnessKey, tombstones: &HashMap<LeaseId, Timestamp>) -> Self {
        let mut graves = Self::default();
        for (lease, until) in tombstones {
            graves.turn(key, lease, *until);
        }
        graves
    }

    /// Adds a tombstone that is not in it, or takes out one that is.
    pub(super) fn turn(&mut self, key: &WitnessKey, lease: &LeaseId, until: Timestamp) {
        let grave = key.grave(lease, until);
        for (sum, byte) in self.0.iter_mut().zip(grave) {
            *sum ^= byte;
        }
    }

    /// What it is once these are buried and those whose time is past are gone.
    pub(super) fn after(
        mut self,
        key: &WitnessKey,
        tombstones: &HashMap<LeaseId, Timestamp>,
        burial: &Burial,
    ) -> Self {
        let over = tombstones.iter().filter(|(_, until)| **until < burial.now);
        for (lease, until) in over {
            self.turn(key, lease, *until);
        }
        for (lease, until) in &burial.leases {
            let before = tombstones.get(lease);
            if let Some(before) = before.filter(|until| **until >= burial.now) {
                self.turn(key, lease, *before);
            }
            self.turn(key, lease, *until);
        }
        self
    }
}

/// Leases that get a tombstone, each once, and the moment before which old ones go.
pub(super) struct Burial {
    pub(super) leases: HashMap<LeaseId, Timestamp>,
    pub(super) now: Timestamp,
}
