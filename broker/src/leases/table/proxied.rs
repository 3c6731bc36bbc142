//! Leases whose token the broker itself honours: found by it, and what is kept of each.

use std::sync::Arc;

use broker_clock::Now;
use broker_protocol::names::LeaseId;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::LeaseTable;
use crate::lease::Lease;
use crate::leases::proxied::Proxied;

impl LeaseTable {
    /// Notes what requests under a `proxy` lease are made with from now on, and since when that is past its time.
    pub(crate) fn note_opened(
        &self,
        id: &LeaseId,
        opened: HashedToken,
        version: Option<u64>,
        stale_since: Option<Timestamp>,
    ) {
        let mut inner = self.lock();
        if let Some(live) = inner.leases.get_mut(id) {
            let lease = Arc::make_mut(&mut live.lease);
            lease.opened = Some(opened);
            (lease.version, lease.stale_since) = (version, stale_since);
        }
    }

    /// The live lease that this token was handed out for, and what is kept of it. `None` for a token that the
    /// broker does not honour itself.
    pub(crate) fn proxied(
        &self,
        token: &HashedToken,
        now: Now,
    ) -> Option<(Arc<Lease>, Arc<Proxied>)> {
        let inner = self.lock();
        let live = inner.leases.get(inner.proxied.get(token)?)?;
        let proxied = live.proxied.as_ref()?;
        let ended = live.lease.span.has_ended(now);
        (!ended).then(|| (Arc::clone(&live.lease), Arc::clone(proxied)))
    }

    /// What is kept of a live `proxy` lease.
    pub(crate) fn proxied_by(&self, id: &LeaseId) -> Option<Arc<Proxied>> {
        self.lock().leases.get(id)?.proxied.clone()
    }

    /// The live `proxy` leases that a request is under way for, with what is kept of them.
    pub(crate) fn in_use(&self) -> Vec<(Arc<Lease>, Arc<Proxied>)> {
        let inner = self.lock();
        let all = inner.leases.values().filter_map(|live| {
            let proxied = live
                .proxied
                .as_ref()
                .filter(|proxied| proxied.is_in_use())?;
            Some((Arc::clone(&live.lease), Arc::clone(proxied)))
        });
        all.collect()
    }

    /// What is kept of all live `proxy` leases.
    pub(crate) fn all_proxied(&self) -> Vec<Arc<Proxied>> {
        let inner = self.lock();
        let live = inner.leases.values();
        live.filter_map(|live| live.proxied.clone()).collect()
    }
}
