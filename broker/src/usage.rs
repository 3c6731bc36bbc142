//! Who was handed what: figures for people, kept between two notes to the vault.
//!
//! The audit log is the account of record; these are a summary of it, so that `tokenctl secret show`
//! need not read the whole log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use broker_protocol::names::{Purpose, SecretName};
use jiff::Timestamp;

use crate::lease::Lease;

/// Grants since the vault last noted them.
#[derive(Debug, Default)]
pub struct Usage {
    pending: Mutex<HashMap<Key, Tally>>,
}

/// Which secret went to which account for which purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The secret.
    pub secret: SecretName,
    /// The account.
    pub uid: u32,
    /// The purpose.
    pub purpose: Purpose,
}

/// How often, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Number of leases.
    pub leases: u64,
    /// When the last was granted.
    pub last: Timestamp,
}

impl Usage {
    /// Counts one lease.
    pub fn granted(&self, lease: &Lease) {
        let key = Key {
            secret: lease.secret.clone(),
            uid: lease.caller.uid,
            purpose: lease.purpose.clone(),
        };
        let last = lease.span.issued.wall;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending
            .entry(key)
            .and_modify(|tally| {
                tally.leases += 1;
                tally.last = tally.last.max(last);
            })
            .or_insert(Tally { leases: 1, last });
    }

    /// Takes what has been counted, for the vault to note.
    #[must_use]
    pub fn take(&self) -> HashMap<Key, Tally> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
