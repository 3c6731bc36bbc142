//! Grants since the vault last noted the audit log's head: figures for people.
//!
//! The audit log is the account of record; these are a summary of it, so that `tokenctl secret show`
//! need not read the whole log.

use std::sync::{Mutex, PoisonError};

use broker_protocol::names::Delivery;

use crate::lease::Lease;
use crate::vault::UsageDelta;

/// What the next note will add.
#[derive(Debug, Default)]
pub struct Usage {
    pending: Mutex<Vec<UsageDelta>>,
}

impl Usage {
    /// Counts one lease.
    pub fn granted(&self, lease: &Lease) {
        let exposed =
            (lease.deliver == Delivery::Raw).then(|| (lease.caller.uid, lease.purpose.clone()));
        let delta = UsageDelta {
            secret: lease.secret.clone(),
            version: lease.version,
            at: lease.span.issued.wall,
            exposed_to: exposed,
        };
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(delta);
    }

    /// Takes what has been counted.
    #[must_use]
    pub fn take(&self) -> Vec<UsageDelta> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
