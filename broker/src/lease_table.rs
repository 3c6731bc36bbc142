//! Live leases: who holds what until when.
//!
//! Rebuilt from the audit log at a start; nothing here is durable of itself. Every change is made
//! after its record, except an end, which takes effect first and is recorded as soon as possible.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_protocol::names::{LeaseId, SecretName};
use tokio::sync::oneshot;

use crate::clock::Now;
use crate::lease::Lease;

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
}

/// The account has as many live leases as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Boot time at which the account's next lease ends.
    pub next_end: Option<Duration>,
}

impl LeaseTable {
    /// Takes a place for one more lease of this account.
    ///
    /// # Errors
    ///
    /// [`Full`] if the account has `limit` already.
    pub fn reserve(&self, account: u32, limit: usize) -> Result<Place<'_>, Full> {
        let mut inner = self.lock();
        let places = inner.places.entry(account).or_default();
        if *places >= limit {
            let own = |(_, id): &&(Duration, LeaseId)| {
                inner
                    .leases
                    .get(id)
                    .is_some_and(|lease| lease.caller.uid == account)
            };
            return Err(Full {
                next_end: inner.ends.iter().find(own).map(|(end, _)| *end),
            });
        }
        *places += 1;
        Ok(Place {
            table: Some(self),
            account,
        })
    }

    /// Puts a lease into the place taken for it.
    pub fn open(&self, mut place: Place<'_>, lease: Arc<Lease>) {
        debug_assert_eq!(place.account, lease.caller.uid);
        // The place stays counted: it is this lease's now.
        place.table = None;
        self.lock().insert(lease);
    }

    /// Puts a lease back that was live before a restart. Limits do not apply.
    pub fn rebuild(&self, lease: Arc<Lease>) {
        let mut inner = self.lock();
        *inner.places.entry(lease.caller.uid).or_default() += 1;
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
        leases.sort_by_key(|lease| lease.seq);
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
    fn insert(&mut self, lease: Arc<Lease>) {
        self.ends
            .insert((lease.span.expires.boot, lease.id.clone()));
        self.leases.insert(lease.id.clone(), lease);
    }

    fn remove(&mut self, id: &LeaseId) -> Option<Arc<Lease>> {
        let lease = self.leases.remove(id)?;
        self.ends.remove(&(lease.span.expires.boot, id.clone()));
        self.watched.remove(id);
        self.release(lease.caller.uid);
        Some(lease)
    }

    fn release(&mut self, account: u32) {
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
            table.lock().release(self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::UNIX_EPOCH,
            boot: Duration::from_secs(seconds),
        }
    }

    fn lease(number: u128, uid: u32, ttl: u64) -> Arc<Lease> {
        Arc::new(Lease::in_a_test(
            number,
            uid,
            at(0),
            Duration::from_secs(ttl),
        ))
    }

    #[test]
    fn a_limit_counts_places_that_are_taken_but_not_filled() {
        let table = LeaseTable::default();
        let first = table.reserve(7, 1).unwrap();
        assert!(table.reserve(7, 1).is_err());
        assert!(
            table.reserve(8, 1).is_ok(),
            "another account is not affected"
        );
        drop(first);
        let place = table.reserve(7, 1).unwrap();
        table.open(place, lease(1, 7, 60));
        let full = table.reserve(7, 1).unwrap_err();
        assert_eq!(full.next_end, Some(Duration::from_secs(60)));
        assert!(table.end(&LeaseId::from_random(1)).is_some());
        assert!(table.reserve(7, 1).is_ok());
    }

    #[test]
    fn leases_expire_in_order_and_exactly_once() {
        let table = LeaseTable::default();
        for (number, ttl) in [(1, 30), (2, 10), (3, 20)] {
            let place = table.reserve(7, 9).unwrap();
            table.open(place, lease(number, 7, ttl));
        }
        assert!(table.expire(at(9)).is_empty());
        let over: Vec<_> = table
            .expire(at(20))
            .iter()
            .map(|lease| lease.id.clone())
            .collect();
        assert_eq!(over, [LeaseId::from_random(2), LeaseId::from_random(3)]);
        assert!(table.expire(at(20)).is_empty());
        assert!(table.end(&LeaseId::from_random(2)).is_none());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn who_watches_a_lease_learns_of_every_end_but_not_of_a_renewal() {
        let table = LeaseTable::default();
        for number in [1, 2] {
            let place = table.reserve(7, 9).unwrap();
            table.open(place, lease(number, 7, 10));
        }
        let [one, two] = [1, 2].map(LeaseId::from_random);
        let mut first = table.until_over(&one).unwrap();
        let mut second = table.until_over(&two).unwrap();
        assert!(table.renew(lease(2, 7, 50)));
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
        drop(table.end(&one));
        assert_eq!(first.try_recv(), Err(TryRecvError::Closed));
        assert!(table.until_over(&one).is_none());
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(table.expire(at(50)).len(), 1);
        assert_eq!(second.try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn a_lease_whose_time_is_over_is_not_found_although_nobody_has_swept_it_away() {
        let table = LeaseTable::default();
        let place = table.reserve(7, 9).unwrap();
        table.open(place, lease(1, 7, 10));
        let id = LeaseId::from_random(1);
        assert!(table.find(&id, at(9)).is_some());
        assert!(table.find(&id, at(10)).is_none());
    }

    #[test]
    fn a_renewed_lease_ends_at_its_new_end_and_an_ended_one_is_not_renewed() {
        let table = LeaseTable::default();
        let place = table.reserve(7, 9).unwrap();
        table.open(place, lease(1, 7, 10));
        assert!(table.renew(lease(1, 7, 50)));
        assert!(table.expire(at(10)).is_empty());
        assert_eq!(table.expire(at(50)).len(), 1);
        assert!(!table.renew(lease(1, 7, 90)));
    }
}
