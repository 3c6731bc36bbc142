//! The one thread that changes the vault, in the database and in memory.
//!
//! Whoever wants a change sends it here and waits for the answer, or does not wait: a caller that
//! goes away half-way leaves the two in step, because neither is changed anywhere else.
//!
//! Notes of the audit log's head arrive much faster than they need to be written. They are applied in
//! memory at once and written together when nothing else is waiting.

mod notes;
mod rekey;
mod rows;
mod secrets;
mod sign;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use broker_protocol::names::SecretName;
use tokio::sync::oneshot;

use self::notes::UnwrittenNotes;
use super::error::VaultError;
use super::state::{List, Outline, State};
use super::store::{Mark, Store};
use super::{Shared, known};

/// A change, or a look at the database, to be made by the thread.
type Wanted = Box<dyn FnOnce(&mut Work) + Send>;

/// The thread, and the way to it. Dropping it writes what is left and waits for the end.
pub(super) struct Writer {
    changes: Option<Sender<Wanted>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(store: Store, shared: Arc<Shared>) -> Result<Self, VaultError> {
        let (changes, received) = mpsc::channel();
        let work = Work {
            store,
            shared,
            unwritten: UnwrittenNotes::default(),
        };
        let thread = thread::Builder::new()
            .name("vault".to_owned())
            .spawn(move || work.run(&received))?;
        Ok(Self {
            changes: Some(changes),
            thread: Some(thread),
        })
    }

    /// Sends a change without waiting for its outcome.
    pub(super) fn send(
        &self,
        change: impl FnOnce(&mut Work) + Send + 'static,
    ) -> Result<(), VaultError> {
        let changes = self.changes.as_ref().ok_or(VaultError::Stopped)?;
        let sent = changes.send(Box::new(change));
        sent.map_err(|_cause| VaultError::Stopped)
    }

    /// Hands over a change and returns where its outcome will arrive.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Work) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, VaultError>>, VaultError> {
        let (reply, answer) = oneshot::channel();
        // An answer that no one waits for any more is dropped; what was done is done.
        self.send(move |work| drop(reply.send(change(work))))?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the vault's writer had stopped before its time");
        }
    }
}

/// What the thread works on.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
    unwritten: UnwrittenNotes,
}

impl Work {
    fn run(mut self, changes: &Receiver<Wanted>) {
        while let Ok(first) = changes.recv() {
            first(&mut self);
            // Bounded, so that a stream of notes that never pauses is written all the same.
            let mut more = 0;
            for next in changes.try_iter().take(MOST_TOGETHER) {
                next(&mut self);
                more += 1;
            }
            if more < MOST_TOGETHER {
                // Nothing is left that was sealed before the last re-key.
                self.forget_previous();
            }
            self.write_notes();
        }
    }

    /// Works out what a change makes of one secret, and the MAC over the list after it.
    fn prepare(
        &self,
        name: &SecretName,
        change: impl FnOnce(&List) -> Result<Outline, VaultError>,
    ) -> Result<(Outline, Mark), VaultError> {
        let state = known(self.shared.state.read());
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let list = &state.list;
        let outline = change(list)?;
        let changed = Some((name, &outline));
        let mark = list.next_mark(keys, keys.list_form, &list.log, changed);
        Ok((outline, mark))
    }

    /// Makes in memory the change that is durable now.
    fn change<T>(&self, mark: &Mark, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = known(self.shared.state.write());
        state.list.changes = mark.changes;
        state.list.mac = mark.mac.into();
        change(&mut state)
    }
}

/// How many changes are made before notes are written, at the most.
const MOST_TOGETHER: usize = 1024;
