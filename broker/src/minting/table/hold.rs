//! A lease's hold on a token from its grant until it is live.

use broker_protocol::names::LeaseId;

use super::{MintKey, MintedTable};

/// What a lease holds before it is live. Dropped before [`Hold::keep`], it lets go.
pub struct Hold<'a, E> {
    table: &'a MintedTable<E>,
    lease: Option<(LeaseId, MintKey)>,
}

impl<'a, E> Hold<'a, E> {
    /// Whatever this lease takes hold of until it is live.
    #[must_use]
    pub const fn of(table: &'a MintedTable<E>, lease: LeaseId, key: MintKey) -> Self {
        Self {
            table,
            lease: Some((lease, key)),
        }
    }

    /// What it is for.
    #[must_use]
    pub fn key(&self) -> Option<&MintKey> {
        self.lease.as_ref().map(|(_, key)| key)
    }

    /// The lease is live: its end lets go.
    pub fn keep(mut self) {
        self.lease = None;
    }
}

impl<E> Drop for Hold<'_, E> {
    fn drop(&mut self) {
        if let Some((lease, key)) = self.lease.take() {
            self.table.let_go(&lease, Some(&key));
        }
    }
}
