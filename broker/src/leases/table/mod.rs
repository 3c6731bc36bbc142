//! Live leases: who holds what until when.
//!
//! Rebuilt from the audit log at a start; nothing here is durable of itself. Every change is made
//! after its record, except an end, which takes effect first and is recorded as soon as possible.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_clock::Now;
use broker_protocol::names::{Delivery, LeaseId, SecretName};
use broker_secret_memory::token::HashedToken;
use tokio::sync::watch;

use crate::lease::Lease;
use crate::leases::proxied::Proxied;

mod proxied;
#[cfg(test)]
mod tests;

/// The table. Every method locks it for a moment and never across an `await`.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    leases: HashMap<LeaseId, LeaseEntry>,
    ends: BTreeSet<(Duration, LeaseId)>,
    /// Live leases and reservations, by account.
    accounts: HashMap<u32, LeaseTotals>,
    /// Leases that end when a reservation made at the limit is filled.
    giving_way: HashSet<LeaseId>,
    /// Leases whose token the broker itself honours, by that token.
    proxied: HashMap<HashedToken, LeaseId>,
}

#[derive(Debug)]
struct LeaseEntry {
    lease: Arc<Lease>,
    /// What its records take of the log.
    bytes: usize,
    /// Dropped with the lease, which is how those that watch it learn of its end. Nothing is ever sent.
    watched: Option<watch::Sender<()>>,
    /// Of a `proxy` lease.
    proxied: Option<Arc<Proxied>>,
}

/// Comes to an end when a lease does, whatever ends it.
#[derive(Debug)]
pub(crate) struct UntilOver(watch::Receiver<()>);

impl UntilOver {
    /// Returns when the lease is over.
    pub(crate) async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// A place in the table, taken before the record is written so that the limit holds under
/// concurrent requests. Dropped unused, it is free again.
#[derive(Debug)]
#[must_use]
pub(crate) struct Reservation<'a> {
    /// `None` once a lease fills the place.
    table: Option<&'a LeaseTable>,
    account: u32,
    /// The lease that ends when this place is filled.
    replaces: Option<LeaseId>,
    bytes: usize,
}

/// What the live leases of one account are, or may be at most.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeaseTotals {
    pub(crate) leases: usize,
    /// What their records take, in bytes: a start reads them all, and the log writes them again each time
    /// it lists the live leases.
    pub(crate) bytes: usize,
}

/// Which limit an account has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitReached {
    Leases,
    Bytes,
}

/// The account has live leases as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccountFull {
    pub(crate) reached: LimitReached,
    /// Boot time at which the account's next lease ends.
    pub(crate) next_end: Option<Duration>,
}

impl AccountFull {
    /// How long to wait before asking again: until the account's next lease ends, in whole seconds rounded up.
    pub(crate) fn retry_after(self, now: Now) -> Duration {
        let left = self.next_end.map(|end| end.saturating_sub(now.boot));
        Duration::from_secs(left.map_or(0, |left| left.as_secs()) + 1)
    }
}

impl LeaseTable {
    /// Takes a place for one more lease of its account, whose records take `bytes`, and which is to be
    /// handed `value`, as far as that is known. At a limit it is the place of the account's oldest lease
    /// that [gives way](Lease::gives_way_to) to it; that one lives on until the place is filled.
    ///
    /// # Errors
    ///
    /// [`AccountFull`] if the account is at a limit, and no lease that gives way makes room.
    pub(crate) fn reserve(
        &self,
        lease: &Lease,
        bytes: usize,
        value: Option<&HashedToken>,
        limits: LeaseTotals,
    ) -> Result<Reservation<'_>, AccountFull> {
        let account = lease.caller.account();
        let mut inner = self.lock();
        let mut replaces = None;
        if let Some(reached) = inner.reached(account, bytes, limits) {
            let oldest = value.and_then(|value| inner.oldest_giving_way(lease, value));
            let oldest = oldest.filter(|oldest| inner.makes_room(oldest, bytes, limits));
            let oldest = oldest.ok_or_else(|| inner.full(account, reached))?;
            inner.giving_way.insert(oldest.clone());
            replaces = Some(oldest);
        }
        // Counted beside the lease that gives way: that one may end by itself before this is filled.
        inner.take(account, bytes);
        Ok(Reservation {
            table: Some(self),
            account,
            replaces,
            bytes,
        })
    }

    /// Puts a lease into the place taken for it, and returns the one that ended for it. That one stays
    /// where the value turned out to be another one. `proof` allows the value of a `proxy` lease to be opened.
    pub(crate) fn open(
        &self,
        mut place: Reservation<'_>,
        lease: Arc<Lease>,
        proof: Option<Recorded<Use>>,
    ) -> Option<Arc<Lease>> {
        debug_assert_eq!(place.account, lease.caller.account());
        // The place stays counted: it is this lease's now.
        place.table = None;
        let mut inner = self.lock();
        let over = place.replaces.take().and_then(|id| {
            inner.giving_way.remove(&id);
            let old = inner.leases.get(&id)?;
            let value = lease.hashed_token.as_ref()?;
            old.lease.gives_way_to(&lease, value).then_some(id)
        });
        let over = over.and_then(|id| inner.remove(&id));
        inner.insert(lease, place.bytes, proof);
        over
    }

    /// Puts a lease back that was live before a restart, and whose records take so many bytes. Limits do
    /// not apply.
    pub(crate) fn rebuild(&self, lease: Arc<Lease>, bytes: usize) {
        let mut inner = self.lock();
        inner.take(lease.caller.account(), bytes);
        inner.insert(lease, bytes, None);
    }

    /// Replaces a lease by its renewed self. `false` if it has ended meanwhile.
    pub(crate) fn renew(&self, lease: Arc<Lease>) -> bool {
        let mut inner = self.lock();
        let end = (lease.span.expires.boot, lease.id.clone());
        let Some(live) = inner.leases.get_mut(&lease.id) else {
            return false;
        };
        let old = std::mem::replace(&mut live.lease, lease);
        if (&live.lease.opened, live.lease.stale_since) != (&old.opened, old.stale_since) {
            // Opened again while the renewal was being recorded.
            let renewed = Arc::make_mut(&mut live.lease);
            renewed.opened.clone_from(&old.opened);
            (renewed.version, renewed.stale_since) = (old.version, old.stale_since);
        }
        inner.ends.remove(&(old.span.expires.boot, old.id.clone()));
        inner.ends.insert(end);
        true
    }

    /// One live lease. One whose time is over is not, also where no one has swept it away yet.
    pub(crate) fn find(&self, id: &LeaseId, now: Now) -> Option<Arc<Lease>> {
        let inner = self.lock();
        let lease = &inner.leases.get(id)?.lease;
        (!lease.span.has_ended(now)).then(|| Arc::clone(lease))
    }

    /// Watches for the end of a lease. `None` if it is not live.
    pub(crate) fn until_over(&self, id: &LeaseId) -> Option<UntilOver> {
        let mut inner = self.lock();
        let live = inner.leases.get_mut(id)?;
        let sender = live.watched.get_or_insert_with(|| watch::channel(()).0);
        Some(UntilOver(sender.subscribe()))
    }

    /// The secrets behind live leases, each once.
    pub(crate) fn secrets(&self) -> BTreeSet<SecretName> {
        let inner = self.lock();
        let secrets: HashSet<&SecretName> = inner.live().map(|lease| &lease.secret).collect();
        secrets.into_iter().cloned().collect()
    }

    /// Ends one lease; `None` if it was not live, so that only one of several wins.
    pub(crate) fn end(&self, id: &LeaseId) -> Option<Arc<Lease>> {
        self.lock().remove(id)
    }

    /// Ends and returns every lease whose time is over.
    pub(crate) fn expire(&self, now: Now) -> Vec<Arc<Lease>> {
        let mut inner = self.lock();
        let mut over = Vec::new();
        while let Some((end, id)) = inner.ends.first() {
            if *end > now.boot {
                break;
            }
            let id = id.clone();
            over.extend(inner.remove(&id));
        }
        over
    }

    /// All live leases, or those of one account, oldest first. What is past its end and not swept yet
    /// is not live.
    pub(crate) fn list(&self, account: Option<u32>, now: Now) -> Vec<Arc<Lease>> {
        let mut leases: Vec<_> = self
            .lock()
            .live()
            .filter(|lease| account.is_none_or(|uid| lease.caller.uid == uid))
            .filter(|lease| !lease.span.has_ended(now))
            .cloned()
            .collect();
        leases.sort_by_cached_key(|lease| lease.position());
        leases
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().leases.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the table was held cannot have left it half changed in a way that hands
        // out more: places only ever count too many.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn live(&self) -> impl Iterator<Item = &Arc<Lease>> {
        self.leases.values().map(|live| &live.lease)
    }

    fn oldest_giving_way(&self, new: &Lease, value: &HashedToken) -> Option<LeaseId> {
        let gives_way = self
            .live()
            .filter(|lease| lease.gives_way_to(new, value) && !self.giving_way.contains(&lease.id));
        let oldest = gives_way.min_by_key(|lease| lease.seq);
        oldest.map(|lease| lease.id.clone())
    }

    /// Its account has [taken](Self::take) the bytes.
    fn insert(&mut self, lease: Arc<Lease>, bytes: usize, proof: Option<Recorded<Use>>) {
        self.ends
            .insert((lease.span.expires.boot, lease.id.clone()));
        let id = lease.id.clone();
        let is_proxied = lease.deliver == Delivery::Proxy;
        if let Some(token) = lease.hashed_token.as_ref().filter(|_| is_proxied) {
            self.proxied.insert(token.clone(), id.clone());
        }
        let live = LeaseEntry {
            lease,
            bytes,
            watched: None,
            proxied: is_proxied.then(|| Arc::new(Proxied::new(proof))),
        };
        self.leases.insert(id, live);
    }

    fn remove(&mut self, id: &LeaseId) -> Option<Arc<Lease>> {
        let entry = self.leases.remove(id)?;
        // An answer that is still on its way keeps the rest of it.
        entry.proxied.iter().for_each(|proxied| proxied.wipe());
        let LeaseEntry { lease, bytes, .. } = entry;
        self.ends.remove(&(lease.span.expires.boot, id.clone()));
        self.release(lease.caller.account(), bytes);
        if let Some(token) = &lease.hashed_token {
            self.proxied.remove(token);
        }
        Some(lease)
    }

    fn taken(&self, account: u32) -> LeaseTotals {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    fn take(&mut self, account: u32, bytes: usize) {
        let taken = self.accounts.entry(account).or_default();
        taken.leases += 1;
        taken.bytes += bytes;
    }

    /// Which limit one more lease of the account would exceed, beside all there are.
    fn reached(&self, account: u32, bytes: usize, limits: LeaseTotals) -> Option<LimitReached> {
        let taken = self.taken(account);
        if taken.leases >= limits.leases {
            return Some(LimitReached::Leases);
        }
        (taken.bytes.saturating_add(bytes) > limits.bytes).then_some(LimitReached::Bytes)
    }

    /// Whether a lease may take the place of this one: it makes as many, and weighs no more than this or fits
    /// once this and all others that give way have ended. What is above a limit, because that was lowered,
    /// need not come below it at once.
    fn makes_room(&self, oldest: &LeaseId, bytes: usize, limits: LeaseTotals) -> bool {
        let Some(oldest) = self.leases.get(oldest) else {
            return false;
        };
        let account = oldest.lease.caller.account();
        let going = self.giving_way.iter().filter_map(|id| self.leases.get(id));
        let going = going.filter(|live| live.lease.caller.account() == account);
        let going: usize = going.map(|live| live.bytes).sum();
        let left = self
            .taken(account)
            .bytes
            .saturating_sub(going + oldest.bytes);
        bytes <= oldest.bytes || left.saturating_add(bytes) <= limits.bytes
    }

    fn full(&self, account: u32, reached: LimitReached) -> AccountFull {
        let own = |(_, id): &&(Duration, LeaseId)| {
            let live = self.leases.get(id);
            live.is_some_and(|live| live.lease.caller.account() == account)
        };
        AccountFull {
            reached,
            next_end: self.ends.iter().find(own).map(|(end, _)| *end),
        }
    }

    fn release(&mut self, account: u32, bytes: usize) {
        if let Some(taken) = self.accounts.get_mut(&account) {
            taken.leases = taken.leases.saturating_sub(1);
            taken.bytes = taken.bytes.saturating_sub(bytes);
            if taken.leases == 0 {
                self.accounts.remove(&account);
            }
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(table) = self.table {
            let mut inner = table.lock();
            inner.release(self.account, self.bytes);
            if let Some(stays) = &self.replaces {
                inner.giving_way.remove(stays);
            }
        }
    }
}
