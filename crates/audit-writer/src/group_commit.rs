//! Many callers, one writer, one sync for all who wait.
//!
//! A thread of its own owns the log. Callers push finished bodies and wait; what arrives while a
//! sync is under way forms the next batch, so the batch grows with the load and a lone caller waits
//! for no other. No lock is held across a write or a sync. What no one waits for gathers for a few
//! milliseconds first, or until someone waits: a sync for each would cost more than what it records.
//!
//! Ends of leases, locks, and what was passed on to GitHub take effect whether or not they can be
//! recorded. When they cannot, they are kept here and written before anything else once the log works
//! again.
//!
//! Not here: what a batch becomes on disk.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit::chain::Head;
use broker_clock::Clock;
use tokio::sync::{oneshot, watch};

use super::appender::{Appender, Entry};
use super::disk::Disk;
use super::error::AuditLogError;
use super::live_leases::Effect;

/// What a caller is answered: the record's `seq`.
pub(super) type Answer = Result<u64, AuditLogError>;

/// One record on its way.
pub(super) struct Pending {
    pub(super) entry: Entry,
    pub(super) if_refused: IfRefused,
    /// Who waits, if anyone ever did. Once no one does, the answer is dropped.
    pub(super) answer: Option<oneshot::Sender<Answer>>,
}

/// What becomes of a record that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfRefused {
    /// It did not happen.
    Forget,
    /// It happened all the same: write it later.
    WriteLater,
}

/// What callers and the writer share.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Signalled when something arrives that the writer must be woken for.
    arrived: Condvar,
    pub(super) durable: Mutex<Durable>,
    /// How many records are durable, for those who follow the log.
    pub(super) records: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiting {
    pending: Vec<Pending>,
    /// Whether anyone waits for one of them.
    awaited: bool,
    writer: WriterState,
    closed: bool,
}

/// What the writer must be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum WriterState {
    /// Nothing: it comes back by itself.
    #[default]
    Busy,
    /// Any record.
    Idle,
    /// One that someone waits for.
    Gathering,
}

pub(super) struct Durable {
    pub(super) head: Head,
    pub(super) fault: Option<String>,
}

/// At most so many records without a lease are kept to be written later. Those with one are bounded
/// by the live leases.
const KEPT_WITHOUT_LEASE: usize = 256;

/// How long records that no one waits for gather, so that hundreds of them share a sync. Short enough that a crash
/// takes with it no more than a sync under way on a slow disk might.
const GATHERING: Duration = Duration::from_millis(20);

/// How often a faulted log looks, unasked, whether it works again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Queue {
    pub(super) fn new(head: Head) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            durable: Mutex::new(Durable { head, fault: None }),
            records: watch::Sender::new(head.records),
        }
    }

    /// Hands a record to the writer; answers at once if there is none any more.
    pub(super) fn push(&self, pending: Pending) {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            drop(waiting);
            tell(pending.answer, Err(stopped()));
            return;
        }
        let is_awaited = pending.answer.is_some();
        waiting.pending.push(pending);
        waiting.awaited |= is_awaited;
        let wakes = match waiting.writer {
            WriterState::Busy => false,
            WriterState::Idle => true,
            WriterState::Gathering => is_awaited,
        };
        if wakes {
            waiting.writer = WriterState::Busy;
            drop(waiting);
            self.arrived.notify_one();
        }
        if wakes && is_awaited {
            // On a busy processor the writer would otherwise wait for all that we do from here until
            // we wait for it; this way that is done during its sync.
            std::thread::yield_now();
        }
    }

    /// Lets the writer finish what is waiting, and nothing more.
    pub(super) fn close(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.closed = true;
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits for records, no longer than this if there is a limit. `None` once closed and empty.
    fn take(&self, limit: Option<Duration>) -> Option<Vec<Pending>> {
        let limit = limit.unwrap_or(Duration::MAX);
        let mut waiting = self.wait(lock(&self.waiting), WriterState::Idle, limit, |waiting| {
            waiting.pending.is_empty()
        });
        if !waiting.pending.is_empty() {
            waiting = self.wait(waiting, WriterState::Gathering, GATHERING, |waiting| {
                !waiting.awaited
            });
        }
        waiting.awaited = false;
        let is_over = waiting.closed && waiting.pending.is_empty();
        (!is_over).then(|| mem::take(&mut waiting.pending))
    }

    /// Waits while this holds, no longer than `limit`, and not once closed.
    fn wait<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        state: WriterState,
        limit: Duration,
        holds: impl Fn(&Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        let wait = |waiting: &mut Waiting| {
            waiting.writer = state;
            holds(waiting) && !waiting.closed
        };
        let woken = self.arrived.wait_timeout_while(waiting, limit, wait);
        let (mut waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        waiting.writer = WriterState::Busy;
        waiting
    }
}

/// Answers who waits.
fn tell(waits: Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(waits) = waits {
        // Or has given up.
        drop(waits.send(answer));
    }
}

/// The error of a caller whose writer is gone.
pub(super) fn stopped() -> AuditLogError {
    let why = "the broker is stopping".to_owned();
    AuditLogError::Unavailable { why }
}

/// No code that holds these locks can panic, so a poisoned one is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writer thread's own.
pub(super) struct Writer<D: Disk> {
    pub(super) appender: Appender<D>,
    pub(super) queue: Arc<Queue>,
    pub(super) clock: Arc<dyn Clock>,
    kept: Vec<Entry>,
}

impl<D: Disk> Writer<D> {
    pub(super) fn new(appender: Appender<D>, queue: Arc<Queue>, clock: Arc<dyn Clock>) -> Self {
        Self {
            appender,
            queue,
            clock,
            kept: Vec::new(),
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        // However this thread ends, no caller is left waiting.
        let _last = CloseOnDrop(Arc::clone(&self.queue));
        loop {
            let limit = self.appender.fault().map(|_| LOOK_AGAIN);
            let Some(pending) = self.queue.take(limit) else {
                break;
            };
            self.restore();
            self.write(pending);
            self.restore();
        }
        // The last chance for what was kept: the disk may work again by now.
        self.restore();
        self.appender.close(self.clock.now());
        if !self.kept.is_empty() {
            let records = self.kept.len();
            tracing::error!(records, "stopped before these could be recorded");
        }
    }

    /// Brings a faulted log back if it can, and then writes what was kept, before anything else.
    fn restore(&mut self) {
        if self.appender.fault().is_none() {
            return;
        }
        self.appender.recover(self.clock.now());
        if self.appender.fault().is_none() {
            tracing::info!("the audit log takes records again");
        }
        while self.appender.fault().is_none() && !self.kept.is_empty() {
            let count = self.appender.batch(self.kept.iter());
            let batch = self.kept.get(..count).unwrap_or_default();
            if self.appender.append(batch, self.clock.now()).is_ok() {
                self.kept.drain(..count);
            }
        }
        self.publish();
    }

    fn write(&mut self, pending: Vec<Pending>) {
        let mut callers = Vec::with_capacity(pending.len());
        let mut entries = Vec::with_capacity(pending.len());
        for Pending {
            entry,
            if_refused,
            answer,
        } in pending
        {
            entries.push(entry);
            callers.push((if_refused, answer));
        }
        let mut callers = callers.into_iter();
        while !entries.is_empty() {
            let count = self.appender.batch(entries.iter());
            let rest = entries.split_off(count.min(entries.len()));
            let batch = mem::replace(&mut entries, rest);
            let appended = match self.appender.fault() {
                None => {
                    let appended = self.appender.append(&batch, self.clock.now());
                    if let Err(error) = &appended {
                        tracing::error!(%error, "the audit log refuses records");
                    }
                    appended
                }
                Some(why) => Err(AuditLogError::Unavailable {
                    why: why.to_owned(),
                }),
            };
            self.publish();
            match appended {
                Ok(first) => {
                    for (seq, (_, answer)) in (first..).zip(callers.by_ref().take(batch.len())) {
                        tell(answer, Ok(seq));
                    }
                }
                Err(error) => {
                    self.refuse(batch, callers.by_ref(), &error);
                }
            }
        }
    }

    fn refuse(
        &mut self,
        batch: Vec<Entry>,
        callers: impl Iterator<Item = (IfRefused, Option<oneshot::Sender<Answer>>)>,
        error: &AuditLogError,
    ) {
        let why = match error {
            AuditLogError::Unavailable { why } => why.clone(),
            other => other.to_string(),
        };
        for (entry, (if_refused, answer)) in batch.into_iter().zip(callers) {
            if if_refused == IfRefused::WriteLater {
                self.keep(entry);
            }
            tell(answer, Err(AuditLogError::Unavailable { why: why.clone() }));
        }
    }

    fn keep(&mut self, entry: Entry) {
        let wanted = match &entry.effect {
            // A second end of the same lease says nothing new.
            Effect::LeaseEnds(_) => {
                let again = self.kept.iter().any(|kept| kept.effect == entry.effect);
                self.appender.holds(&entry.effect) && !again
            }
            Effect::Nothing | Effect::LeaseLives(_) | Effect::LeaseIssued(_) => {
                let others = |kept: &&Entry| !matches!(kept.effect, Effect::LeaseEnds(_));
                self.kept.iter().filter(others).count() < KEPT_WITHOUT_LEASE
            }
        };
        if wanted {
            self.kept.push(entry);
        }
    }

    fn publish(&self) {
        let mut durable = lock(&self.queue.durable);
        durable.head = self.appender.head;
        durable.fault = self.appender.fault().map(str::to_owned);
        let records = durable.head.records;
        drop(durable);
        self.queue.records.send_if_modified(|known| {
            let grown = *known != records;
            *known = records;
            grown
        });
    }
}

struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.closed = true;
        let left = mem::take(&mut waiting.pending);
        drop(waiting);
        for pending in left {
            tell(pending.answer, Err(stopped()));
        }
    }
}
