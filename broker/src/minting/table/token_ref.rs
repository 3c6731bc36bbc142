//! A lease's hold on a token from its grant until it is live.

use broker_protocol::names::LeaseId;
use broker_vault::MintKey;

use super::TokenTable;

/// What a lease holds before it is live. Dropped before [`TokenRef::keep`], it is released.
#[must_use]
pub(crate) struct TokenRef<'a> {
    table: &'a TokenTable,
    lease: LeaseId,
    /// What it is for.
    pub(crate) key: MintKey,
    kept: bool,
}

impl<'a> TokenRef<'a> {
    /// Whatever this lease comes to hold under this key until it is live.
    pub(crate) const fn new(table: &'a TokenTable, lease: LeaseId, key: MintKey) -> Self {
        Self {
            table,
            lease,
            key,
            kept: false,
        }
    }

    /// The lease is live: its end releases the token.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for TokenRef<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.table.release(&self.lease, Some(&self.key));
        }
    }
}
