//! Live leases: who holds what until when.
//!
//! Rebuilt from the audit log at a start; nothing here is durable of itself. Every change is made
//! after its record, except an end, which takes effect first and is recorded as soon as possible.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::Now;
use broker_protocol::names::{LeaseId, SecretName};
use broker_secret_memory::token::HashedToken;
use tokio::sync::oneshot;

use crate::lease::Lease;

#[cfg(test)]
mod tests;

/// The table. Every method locks it for a moment and never across an `await`.
#[derive(Debug, Default)]
pub struct LeaseTable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    leases: HashMap<LeaseId, Arc<Lease>>,
    ends: BTreeSet<(Duration, LeaseId)>,
    /// Live leases and reserved places, by account.
    places: HashMap<u32, usize>,
    /// Leases that end when a place taken at the limit is filled.
    giving_way: HashSet<LeaseId>,
    /// What the records of live leases and reserved places take, in bytes, by account.
    bytes: HashMap<u32, usize>,
    /// The same of each live lease.
    weights: HashMap<LeaseId, usize>,
    /// Dropped with their lease, which tells whoever watches for another end of it.
    watched: HashMap<LeaseId, oneshot::Sender<Over>>,
}

/// Nothing is ever sent: a lease is over when the sender is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {}

/// A place in the table, taken before the record is written so that the limit holds under
/// concurrent requests. Dropped unused, it is free again.
#[derive(Debug)]
#[must_use]
pub struct Place<'a> {
    /// `None` once a lease fills the place.
    table: Option<&'a LeaseTable>,
    account: u32,
    /// The lease that ends when this place is filled.
    in_place_of: Option<LeaseId>,
    bytes: usize,
}

/// What the live leases of one account may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many.
    pub leases: usize,
    /// What their records may take, in bytes: a start reads them all, and each time they are told again
    /// they are written once more.
    pub bytes: usize,
}

/// Which limit an account has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// [`Limits::leases`].
    Leases,
    /// [`Limits::bytes`].
    Bytes,
}

/// The account has live leases as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Which limit.
    pub reached: Reached,
    /// Boot time at which the account's next lease ends.
    pub next_end: Option<Duration>,
}

impl Full {
    /// How long to wait before asking again: until the account's next lease ends, in whole seconds rounded up.
    #[must_use]
    pub fn retry_after(self, now: Now) -> Duration {
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
    /// [`Full`] if the account is at a limit, and no lease that gives way makes room.
    pub fn reserve(
        &self,
        lease: &Lease,
        bytes: usize,
        value: Option<&HashedToken>,
        limits: Limits,
    ) -> Result<Place<'_>, Full> {
        let account = lease.caller.account();
        let mut inner = self.lock();
        let in_place_of = match inner.reached(account, bytes, limits) {
            None => None,
            Some(reached) => {
                let oldest = value.and_then(|value| inner.oldest_giving_way(lease, value));
                let oldest = oldest.filter(|oldest| inner.makes_room(oldest, bytes, limits));
                let oldest = oldest.ok_or_else(|| inner.full(account, reached))?;
                inner.giving_way.insert(oldest.clone());
                Some(oldest)
            }
        };
        // Counted beside the lease that gives way: that one may end by itself before this is filled.
        *inner.places.entry(account).or_default() += 1;
        *inner.bytes.entry(account).or_default() += bytes;
        Ok(Place {
            table: Some(self),
            account,
            in_place_of,
            bytes,
        })
    }

    /// Puts a lease into the place taken for it, and returns the one that ended for it. That one stays
    /// where the value turned out to be another one.
    pub fn open(&self, mut place: Place<'_>, lease: Arc<Lease>) -> Option<Arc<Lease>> {
        debug_assert_eq!(place.account, lease.caller.account());
        // The place stays counted: it is this lease's now.
        place.table = None;
        let mut inner = self.lock();
        let over = place.in_place_of.take().and_then(|id| {
            inner.giving_way.remove(&id);
            let old = inner.leases.get(&id)?;
            let value = lease.hashed_token.as_ref()?;
            old.gives_way_to(&lease, value).then_some(id)
        });
        let over = over.and_then(|id| inner.remove(&id));
        inner.weights.insert(lease.id.clone(), place.bytes);
        inner.insert(lease);
        over
    }

    /// Puts a lease back that was live before a restart, and whose records take so many bytes. Limits do
    /// not apply.
    pub fn rebuild(&self, lease: Arc<Lease>, bytes: usize) {
        let mut inner = self.lock();
        let account = lease.caller.account();
        *inner.places.entry(account).or_default() += 1;
        *inner.bytes.entry(account).or_default() += bytes;
        inner.weights.insert(lease.id.clone(), bytes);
        inner.insert(lease);
    }

    /// Replaces a lease by its renewed self. `false` if it has ended meanwhile.
    pub fn renew(&self, lease: Arc<Lease>) -> bool {
        let mut inner = self.lock();
        let Some(old) = inner.leases.get(&lease.id) else {
            return false;
        };
        let old_end = (old.span.expires.boot, lease.id.clone());
        inner.ends.remove(&old_end);
        inner.insert(lease);
        true
    }

    /// One live lease. One whose time is over is not, also where nobody has swept it away yet.
    #[must_use]
    pub fn find(&self, id: &LeaseId, now: Now) -> Option<Arc<Lease>> {
        let inner = self.lock();
        let lease = inner.leases.get(id)?;
        (!lease.span.has_ended(now)).then(|| Arc::clone(lease))
    }

    /// Something that comes to an end when this lease does, whatever ends it. `None` if it is not
    /// live.
    #[must_use]
    pub fn until_over(&self, id: &LeaseId) -> Option<oneshot::Receiver<Over>> {
        let mut inner = self.lock();
        if !inner.leases.contains_key(id) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        inner.watched.insert(id.clone(), sender);
        Some(receiver)
    }

    /// The secrets behind live leases, each once.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<SecretName> {
        let inner = self.lock();
        let secrets: HashSet<&SecretName> = inner.leases.values().map(|l| &l.secret).collect();
        secrets.into_iter().cloned().collect()
    }

    /// Ends one lease; `None` if it was not live, so that only one of several wins.
    pub fn end(&self, id: &LeaseId) -> Option<Arc<Lease>> {
        self.lock().remove(id)
    }

    /// Ends and returns every lease whose time is over.
    pub fn expire(&self, now: Now) -> Vec<Arc<Lease>> {
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
    #[must_use]
    pub fn list(&self, account: Option<u32>, now: Now) -> Vec<Arc<Lease>> {
        let mut leases: Vec<_> = self
            .lock()
            .leases
            .values()
            .filter(|lease| account.is_none_or(|uid| lease.caller.uid == uid))
            .filter(|lease| !lease.span.has_ended(now))
            .cloned()
            .collect();
        leases.sort_by_cached_key(|lease| lease.place());
        leases
    }

    /// Number of live leases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().leases.len()
    }

    /// Whether no lease is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the table was held cannot have left it half changed in a way that hands
        // out more: places only ever count too many.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn oldest_giving_way(&self, new: &Lease, value: &HashedToken) -> Option<LeaseId> {
        let leases = self.leases.values();
        let gives_way = leases
            .filter(|lease| lease.gives_way_to(new, value) && !self.giving_way.contains(&lease.id));
        let oldest = gives_way.min_by_key(|lease| lease.seq);
        oldest.map(|lease| lease.id.clone())
    }

    fn insert(&mut self, lease: Arc<Lease>) {
        self.ends
            .insert((lease.span.expires.boot, lease.id.clone()));
        self.leases.insert(lease.id.clone(), lease);
    }

    fn remove(&mut self, id: &LeaseId) -> Option<Arc<Lease>> {
        let lease = self.leases.remove(id)?;
        self.ends.remove(&(lease.span.expires.boot, id.clone()));
        self.watched.remove(id);
        let bytes = self.weights.remove(id).unwrap_or_default();
        self.release(lease.caller.account(), bytes);
        Some(lease)
    }

    /// Which limit one more lease of the account would exceed, beside all there are.
    fn reached(&self, account: u32, bytes: usize, limits: Limits) -> Option<Reached> {
        let places = self.places.get(&account).copied().unwrap_or_default();
        if places >= limits.leases {
            return Some(Reached::Leases);
        }
        (self.weight_of(account).saturating_add(bytes) > limits.bytes).then_some(Reached::Bytes)
    }

    fn weight_of(&self, account: u32) -> usize {
        self.bytes.get(&account).copied().unwrap_or_default()
    }

    /// Whether a lease may take the place of this one: it makes as many, and weighs no more than this or fits
    /// once this and all others that give way have ended. What is above a limit, because that was lowered,
    /// need not come below it at once.
    fn makes_room(&self, oldest: &LeaseId, bytes: usize, limits: Limits) -> bool {
        let Some(account) = self.leases.get(oldest).map(|lease| lease.caller.account()) else {
            return false;
        };
        let weight = |id: &LeaseId| self.weights.get(id).copied().unwrap_or_default();
        let own = |id: &&LeaseId| {
            let lease = self.leases.get(*id);
            lease.is_some_and(|lease| lease.caller.account() == account)
        };
        let going: usize = self.giving_way.iter().filter(own).map(weight).sum();
        let left = self
            .weight_of(account)
            .saturating_sub(going + weight(oldest));
        bytes <= weight(oldest) || left.saturating_add(bytes) <= limits.bytes
    }

    fn full(&self, account: u32, reached: Reached) -> Full {
        let own = |(_, id): &&(Duration, LeaseId)| {
            let lease = self.leases.get(id);
            lease.is_some_and(|lease| lease.caller.account() == account)
        };
        Full {
            reached,
            next_end: self.ends.iter().find(own).map(|(end, _)| *end),
        }
    }

    fn release(&mut self, account: u32, bytes: usize) {
        if let Some(all) = self.bytes.get_mut(&account) {
            *all = all.saturating_sub(bytes);
            if *all == 0 {
                self.bytes.remove(&account);
            }
        }
        if let Some(places) = self.places.get_mut(&account) {
            *places = places.saturating_sub(1);
            if *places == 0 {
                self.places.remove(&account);
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(table) = self.table {
            let mut inner = table.lock();
            inner.release(self.account, self.bytes);
            if let Some(stays) = &self.in_place_of {
                inner.giving_way.remove(stays);
            }
        }
    }
}
