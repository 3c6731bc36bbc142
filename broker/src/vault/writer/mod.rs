//! The one thread that changes the vault, in the database and in memory.
//!
//! Whoever wants a change sends it here and waits for the answer, or does not wait: a caller that
//! goes away half-way leaves the two in step, because neither is changed anywhere else.
//!
//! Notes of the audit log's head arrive much faster than they need to be written. They are applied in
//! memory at once and written together when nothing else is waiting.

mod kept;
mod notes;
mod rekey;
mod secrets;
mod sign;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use broker_audit::chain::Head;
use broker_protocol::names::{LeaseId, SecretName};
use jiff::Timestamp;
use tokio::sync::oneshot;

use self::notes::Unwritten;
use super::checks::{CheckDetails, Kept};
use super::error::VaultError;
use super::minted::SealedMinted;
use super::rekey::{Change, Next};
use super::sources::SealedValue;
use super::state::{List, Outline, Sealed, Secret, State};
use super::store::{Mark, Store};
use super::values::Of;
use super::{GivenWarning, Held, LogIdentity, Shared, UsageDelta, known};
use crate::first_seen::FirstSeen;
use crate::moment::Moment;
use crate::move_state::Move;
use crate::rotation_state::{Rotation, SinkState};
use crate::token::HashedToken;

pub(super) type Reply<T> = oneshot::Sender<Result<T, VaultError>>;

pub(super) enum Request {
    Reserve(SecretName, Timestamp, Reply<u64>),
    Add(SecretName, Sealed, Of, Reply<Held>),
    /// Erases all versions but one, or all.
    Retire(SecretName, Option<u64>, Option<Box<Rotation>>, Reply<()>),
    Rotation(SecretName, Box<Rotation>, Reply<()>),
    /// Writes how far a move is, or forgets it.
    Move(SecretName, Option<Box<Move>>, Reply<()>),
    /// Keeps since when values have been known.
    KeepFirstSeen(Vec<(SecretName, FirstSeen)>, Reply<()>),
    Sink(SecretName, String, Box<SinkState>, Reply<()>),
    Remove(SecretName, Of, Reply<()>),
    Bury(Vec<(LeaseId, Timestamp)>, Timestamp, Reply<()>),
    KeepMinted(SealedMinted, Reply<()>),
    NoteEnding(Vec<HashedToken>, Reply<()>),
    ForgetMinted(HashedToken, Reply<()>),
    PinRepositories(Vec<(Box<str>, u64)>, Reply<()>),
    UnpinRepository(Box<str>, Reply<()>),
    Warnings(Reply<Vec<GivenWarning>>),
    KeepWarnings(Vec<GivenWarning>, Reply<()>),
    ForgetWarnings(Vec<Box<str>>, Reply<()>),
    SourceRequests(Reply<Vec<(i64, u32)>>),
    /// An hour, the requests in it, and the oldest hour that is kept.
    KeepSourceRequests(i64, u32, i64, Reply<()>),
    SourceValues(Reply<Vec<SealedValue>>),
    KeepSourceValue(SealedValue, Reply<()>),
    ForgetSourceValue(Box<str>, Reply<()>),
    KeepOnlySourceValues(Vec<Box<str>>, Reply<()>),
    Note(Head, Vec<UsageDelta>),
    NewLog(String, Reply<LogIdentity>),
    /// Puts what decides after a start under MACs, as far as it is not yet.
    Sign(Reply<()>),
    /// The same although what was found at the start was not the vault's own.
    TrustLog(Reply<()>),
    /// Keeps what a check found, with its findings as JSON.
    KeepCheck(SecretName, Kept, String, Reply<()>),
    /// Keeps that a check got no answer, and why.
    KeepFailedCheck(SecretName, Moment, String, Reply<()>),
    ReadCheck(SecretName, Reply<CheckDetails>),
    /// Notes how far a change of the root key is; `None` once that is settled and recorded.
    Change(Option<Change>, Reply<()>),
    /// Puts the next root key in force. Answered with how many data keys are under it.
    Rekey(Box<Next>, Reply<u64>),
    /// All of the database, with whatever was noted before.
    Snapshot(Reply<Vec<u8>>),
    /// Answered when all requests before it are done and written.
    Settle(Reply<()>),
    /// From now on the disk is full.
    #[cfg(test)]
    LimitPages(Reply<()>),
}

/// The thread, and the way to it. Dropping it writes what is left and waits for the end.
pub(super) struct Writer {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(store: Store, shared: Arc<Shared>) -> Result<Self, VaultError> {
        let (requests, received) = mpsc::channel();
        let work = Work {
            store,
            shared,
            unwritten: Unwritten::default(),
        };
        let thread = thread::Builder::new()
            .name("vault".to_owned())
            .spawn(move || work.run(&received))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    pub(super) fn send(&self, request: Request) -> Result<(), VaultError> {
        let requests = self.requests.as_ref().ok_or(VaultError::Stopped)?;
        requests.send(request).map_err(|_cause| VaultError::Stopped)
    }

    /// Sends a request and returns where its answer will arrive.
    pub(super) fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<oneshot::Receiver<Result<T, VaultError>>, VaultError> {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply))?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the vault's writer had stopped before its time");
        }
    }
}

struct Work {
    store: Store,
    shared: Arc<Shared>,
    unwritten: Unwritten,
}

impl Work {
    fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            self.serve(first);
            // Bounded, so that a stream of notes that never pauses is written all the same.
            let mut more = 0;
            for next in requests.try_iter().take(MOST_TOGETHER) {
                self.serve(next);
                more += 1;
            }
            if more < MOST_TOGETHER {
                // Nothing is left that was sealed before the last re-key.
                self.forget_previous();
            }
            self.write_notes();
        }
    }

    fn serve(&mut self, request: Request) {
        // An answer that nobody waits for any more is dropped; what was done is done.
        match request {
            Request::Reserve(name, now, reply) => drop(reply.send(self.reserve(name, now))),
            Request::Add(name, sealed, of, reply) => {
                drop(reply.send(self.add(&name, sealed, of)));
            }
            Request::Retire(name, keep, rotation, reply) => {
                drop(reply.send(self.retire(&name, keep, rotation)));
            }
            Request::Rotation(name, rotation, reply) => {
                drop(reply.send(self.note_rotation(name, *rotation)));
            }
            Request::Move(name, state, reply) => drop(reply.send(self.note_move(name, state))),
            Request::KeepFirstSeen(these, reply) => {
                drop(reply.send(self.keep_first_seen(these)));
            }
            Request::Sink(name, sink, state, reply) => {
                drop(reply.send(self.note_sink(name, sink, *state)));
            }
            Request::Remove(name, of, reply) => {
                drop(reply.send(self.remove(&name, &of)));
            }
            Request::Bury(leases, now, reply) => drop(reply.send(self.bury(leases, now))),
            Request::KeepMinted(sealed, reply) => drop(reply.send(self.keep_minted(sealed))),
            Request::NoteEnding(tokens, reply) => drop(reply.send(self.note_ending(&tokens))),
            Request::ForgetMinted(hashed, reply) => {
                drop(reply.send(self.forget_minted(&hashed)));
            }
            Request::PinRepositories(names, reply) => {
                drop(reply.send(self.pin_repositories(names)));
            }
            Request::UnpinRepository(name, reply) => {
                drop(reply.send(self.unpin_repository(&name)));
            }
            Request::Warnings(reply) => drop(reply.send(self.store.warnings())),
            Request::KeepWarnings(warnings, reply) => {
                drop(reply.send(self.store.keep_warnings(&warnings)));
            }
            Request::ForgetWarnings(keys, reply) => {
                drop(reply.send(self.store.forget_warnings(&keys)));
            }
            Request::SourceRequests(reply) => drop(reply.send(self.store.source_requests())),
            Request::KeepSourceRequests(hour, requests, oldest, reply) => {
                let kept = self.store.keep_source_requests(hour, requests, oldest);
                drop(reply.send(kept));
            }
            Request::SourceValues(reply) => drop(reply.send(self.store.source_values())),
            Request::KeepSourceValue(value, reply) => {
                drop(reply.send(self.store.keep_source_value(&value)));
            }
            Request::ForgetSourceValue(source, reply) => {
                drop(reply.send(self.store.forget_source_values(&[source])));
            }
            Request::KeepOnlySourceValues(sources, reply) => {
                drop(reply.send(self.store.keep_only_source_values(&sources)));
            }
            Request::NewLog(log_id, reply) => drop(reply.send(self.new_log(log_id))),
            Request::Sign(reply) => drop(reply.send(self.sign())),
            Request::TrustLog(reply) => drop(reply.send(self.trust_log())),
            Request::KeepCheck(name, kept, findings, reply) => {
                drop(reply.send(self.keep_check(name, kept, &findings)));
            }
            Request::KeepFailedCheck(name, at, why, reply) => {
                drop(reply.send(self.keep_failed_check(name, &at, &why)));
            }
            Request::ReadCheck(name, reply) => drop(reply.send(self.store.check_details(&name))),
            Request::Change(change, reply) => drop(reply.send(self.note_change(change))),
            Request::Rekey(next, reply) => drop(reply.send(self.rekey(*next))),
            Request::Snapshot(reply) => {
                self.write_notes();
                drop(reply.send(self.store.snapshot()));
            }
            Request::Note(head, deltas) => self.apply(head, deltas),
            Request::Settle(reply) => {
                self.write_notes();
                drop(reply.send(Ok(())));
            }
            #[cfg(test)]
            Request::LimitPages(reply) => drop(reply.send(self.store.limit_pages())),
        }
    }

    /// Works out what a change makes of one secret, and the MAC over the list after it.
    fn prepare(
        &self,
        name: &SecretName,
        change: impl FnOnce(Option<&Secret>) -> Result<Outline, VaultError>,
    ) -> Result<(Outline, Mark), VaultError> {
        let state = known(self.shared.state.read());
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let list: &List = &state.list;
        let outline = change(list.secrets.get(name))?;
        let mac = list.next_tag(keys, name, &outline).bytes();
        let mark = Mark {
            changes: list.changes + 1,
            mac,
            vouched: None,
        };
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

/// How many requests are served before notes are written, at the most.
const MOST_TOGETHER: usize = 1024;
