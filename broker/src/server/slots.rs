//! Slots for connections, and how a connection learns that it has lost its slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::Clock;
use tokio::sync::Notify;

use super::admission::{Admission, Id, Rank};
use crate::config::Limits;

/// Every open connection.
pub(super) struct Slots {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    admission: Admission,
    lost: HashMap<Id, Arc<Notify>>,
}

/// A connection's slot, until it is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: Id,
    /// Whether only what operators do may be asked here.
    pub(super) kept: bool,
    lost: Arc<Notify>,
}

impl Slots {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let admission = Admission::new(limits.connections, limits.connections_per_account);
        let inner = Inner {
            admission,
            lost: HashMap::new(),
        };
        Self {
            clock,
            inner: Mutex::new(inner),
        }
    }

    /// Gives a new connection a slot, if need be that of another, which is notified.
    pub(super) fn enter(self: &Arc<Self>, uid: u32, rank: Rank) -> Option<Slot> {
        let now = self.now();
        let mut inner = self.inner();
        let entered = inner.admission.enter(uid, rank, now)?;
        if let Some(lost) = entered.instead_of.and_then(|id| inner.lost.remove(&id)) {
            lost.notify_one();
        }
        let lost = Arc::new(Notify::new());
        inner.lost.insert(entered.id, Arc::clone(&lost));
        Some(Slot {
            slots: Arc::clone(self),
            id: entered.id,
            kept: entered.kept,
            lost,
        })
    }

    fn now(&self) -> Duration {
        self.clock.now().boot
    }

    /// Nothing that is done while it is held can panic.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// A request is under way. `false` if the slot is lost.
    pub(super) fn asks(&self) -> bool {
        self.slots.inner().admission.asks(self.id)
    }

    /// None is, any more.
    pub(super) fn answered(&self) {
        let now = self.slots.now();
        self.slots.inner().admission.answered(self.id, now);
    }

    /// Returns when another connection was given the slot. Then no request is under way.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inner = self.slots.inner();
        inner.admission.leave(self.id);
        inner.lost.remove(&self.id);
    }
}
