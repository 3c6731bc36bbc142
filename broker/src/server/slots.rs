//! Paths for connections, with the way to tell one that it has lost its own.

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

/// A connection's place, until it is dropped.
pub(super) struct Slot {
    room: Arc<Slots>,
    id: Id,
    kept: bool,
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

    /// Gives a new connection its place, if need be another's, which is told.
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
            room: Arc::clone(self),
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
    /// Whether only what operators do may be asked here.
    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// A request has arrived whole: its answer is waited for. `false` if the place is lost.
    pub(super) fn asks(&self) -> bool {
        self.room.inner().admission.asks(self.id)
    }

    /// The request is answered.
    pub(super) fn answered(&self) {
        let now = self.room.now();
        self.room.inner().admission.answered(self.id, now);
    }

    /// Returns when another connection was given the place. Then no request is under way.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inner = self.room.inner();
        inner.admission.leave(self.id);
        inner.lost.remove(&self.id);
    }
}
