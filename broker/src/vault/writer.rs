//! The one thread that changes the vault, in the database and in memory.
//!
//! Whoever wants a change sends it here and waits for the answer, or does not wait: a caller that
//! goes away half-way leaves the two in step, because neither is changed anywhere else.
//!
//! Notes of the audit log's head arrive much faster than they need to be written. They are applied in
//! memory at once and written together when nothing else is waiting.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use broker_audit::chain::Head;
use broker_protocol::api::Exposure;
use broker_protocol::names::{LeaseId, SecretName};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::checks::{CheckDetails, Kept};
use super::custody::Custody;
use super::envelope::{self, Place, RewrapError, Under};
use super::error::VaultError;
use super::keys::{Keys, SEALED_AT_FIRST};
use super::minted::SealedMinted;
use super::rekey::{Change, Next};
use super::state::{ExposedTo, List, Outline, Sealed, Secret, State};
use super::store::{Mark, Store};
use super::{GivenWarning, Held, LogIdentity, Shared, UsageDelta, known};
use crate::rotation_state::{Rotation, SinkState};
use crate::token::HashedToken;

pub(super) type Reply<T> = oneshot::Sender<Result<T, VaultError>>;

pub(super) enum Request {
    Reserve(SecretName, Timestamp, Reply<u64>),
    /// With the rotation that it belongs to, if it does.
    Add(SecretName, Sealed, Option<Box<Rotation>>, Reply<Held>),
    /// Erases all versions but one, or all.
    Retire(SecretName, Option<u64>, Option<Box<Rotation>>, Reply<()>),
    Rotation(SecretName, Box<Rotation>, Reply<()>),
    Sink(SecretName, String, Box<SinkState>, Reply<()>),
    Remove(SecretName, Reply<()>),
    Bury(Vec<(LeaseId, Timestamp)>, Timestamp, Reply<()>),
    KeepMinted(SealedMinted, Reply<()>),
    ForgetMinted(HashedToken, Reply<()>),
    PinRepositories(Vec<(Box<str>, u64)>, Reply<()>),
    UnpinRepository(Box<str>, Reply<()>),
    Warnings(Reply<Vec<GivenWarning>>),
    KeepWarnings(Vec<GivenWarning>, Reply<()>),
    ForgetWarnings(Vec<Box<str>>, Reply<()>),
    Note(Head, Vec<UsageDelta>),
    NewLog(String, Reply<LogIdentity>),
    /// Keeps what a check found, with its findings as JSON.
    KeepCheck(SecretName, Kept, String, Reply<()>),
    /// Keeps that a check got no answer, and why.
    KeepFailedCheck(SecretName, Timestamp, String, Reply<()>),
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

/// What has been noted in memory and not yet in the database.
#[derive(Default)]
struct Unwritten {
    head: Option<Head>,
    used: HashSet<SecretName>,
    exposed: HashSet<ExposedTo>,
    failing: bool,
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
            Request::Add(name, sealed, rotation, reply) => {
                drop(reply.send(self.add(&name, sealed, rotation)));
            }
            Request::Retire(name, keep, rotation, reply) => {
                drop(reply.send(self.retire(&name, keep, rotation)));
            }
            Request::Rotation(name, rotation, reply) => {
                drop(reply.send(self.note_rotation(name, *rotation)));
            }
            Request::Sink(name, sink, state, reply) => {
                drop(reply.send(self.note_sink(name, sink, *state)));
            }
            Request::Remove(name, reply) => drop(reply.send(self.remove(&name))),
            Request::Bury(leases, now, reply) => drop(reply.send(self.bury(leases, now))),
            Request::KeepMinted(sealed, reply) => drop(reply.send(self.keep_minted(sealed))),
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
            Request::NewLog(log_id, reply) => drop(reply.send(self.new_log(log_id))),
            Request::KeepCheck(name, kept, findings, reply) => {
                drop(reply.send(self.keep_check(name, kept, &findings)));
            }
            Request::KeepFailedCheck(name, at, why, reply) => {
                drop(reply.send(self.keep_failed_check(name, at, &why)));
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

    fn reserve(&mut self, name: SecretName, now: Timestamp) -> Result<u64, VaultError> {
        let (outline, mark) = self.prepare(&name, |secret| {
            let versions = secret.map(|s| &s.versions);
            let versions = versions.map_or_else(Vec::new, |all| numbers(all));
            // A secret that was removed and comes back is a new one with old numbers behind it.
            let kept = secret.filter(|s| !s.versions.is_empty());
            Ok(Outline {
                created_at: kept.map_or(now, |s| s.created_at),
                last_version: secret.map_or(0, |s| s.last_version) + 1,
                versions,
            })
        })?;
        let version = outline.last_version;
        self.store
            .reserve(&name, version, outline.created_at, &mark)?;
        self.change(&mark, |state| {
            let secret = state.list.secrets.entry(name).or_insert(Secret {
                created_at: now,
                last_version: 0,
                versions: Vec::new(),
            });
            secret.created_at = outline.created_at;
            secret.last_version = version;
        });
        Ok(version)
    }

    fn add(
        &mut self,
        name: &SecretName,
        mut sealed: Sealed,
        rotation: Option<Box<Rotation>>,
    ) -> Result<Held, VaultError> {
        self.catch_up(name.as_str(), sealed.version, &mut sealed.envelope)?;
        let (_, mark) = self.prepare(name, |secret| {
            let next = secret.filter(|secret| {
                let newest = secret.versions.last().map_or(0, |newest| newest.version);
                newest < sealed.version && sealed.version <= secret.last_version
            });
            let secret = next.ok_or_else(|| VaultError::Conflict {
                secret: name.clone(),
                version: sealed.version,
            })?;
            let mut versions = numbers(&secret.versions);
            versions.push(sealed.version);
            Ok(Outline {
                created_at: secret.created_at,
                last_version: secret.last_version,
                versions,
            })
        })?;
        self.store
            .add_version(name, &sealed, rotation.as_deref(), &mark)?;
        self.unwritten.exposed.retain(|(secret, ..)| secret != name);
        let held = self.change(&mark, |state| {
            let exposures = &mut state.figures.exposures;
            exposures.retain(|(secret, ..), _| secret != name);
            if let Some(rotation) = rotation {
                state.rotations.insert(name.clone(), *rotation);
            }
            state.list.secrets.get_mut(name)?.add(sealed);
            state.held(name)
        });
        held.ok_or_else(|| VaultError::NoValue(name.clone()))
    }

    fn remove(&mut self, name: &SecretName) -> Result<(), VaultError> {
        let (_, mark) = self.prepare(name, |secret| {
            let secret = secret.filter(|s| !s.versions.is_empty());
            let secret = secret.ok_or_else(|| VaultError::NoValue(name.clone()))?;
            Ok(Outline {
                created_at: secret.created_at,
                last_version: secret.last_version,
                versions: Vec::new(),
            })
        })?;
        self.store.remove(name, &mark)?;
        self.unwritten.exposed.retain(|(secret, ..)| secret != name);
        self.unwritten.used.remove(name);
        self.change(&mark, |state| {
            state.figures.last_used.remove(name);
            state.checks.remove(name);
            let exposures = &mut state.figures.exposures;
            exposures.retain(|(secret, ..), _| secret != name);
            state.rotations.remove(name);
            state.sinks.remove(name);
            if let Some(secret) = state.list.secrets.get_mut(name) {
                secret.versions = Vec::new();
            }
        });
        Ok(())
    }

    fn retire(
        &mut self,
        name: &SecretName,
        keep: Option<u64>,
        rotation: Option<Box<Rotation>>,
    ) -> Result<(), VaultError> {
        let (_, mark) = self.prepare(name, |secret| {
            let secret = secret.filter(|s| !s.versions.is_empty());
            let secret = secret.ok_or_else(|| VaultError::NoValue(name.clone()))?;
            let kept = |version| numbers(&secret.versions).contains(&version);
            if let Some(version) = keep.filter(|version| !kept(*version)) {
                let secret = name.clone();
                return Err(VaultError::NoVersion { secret, version });
            }
            Ok(Outline {
                created_at: secret.created_at,
                last_version: secret.last_version,
                versions: keep.into_iter().collect(),
            })
        })?;
        self.store.retire(name, keep, rotation.as_deref(), &mark)?;
        self.change(&mark, |state| {
            match rotation {
                Some(rotation) => state.rotations.insert(name.clone(), *rotation),
                None => state.rotations.remove(name),
            };
            if let Some(secret) = state.list.secrets.get_mut(name) {
                secret
                    .versions
                    .retain(|sealed| keep == Some(sealed.version));
            }
        });
        Ok(())
    }

    fn note_rotation(&mut self, name: SecretName, rotation: Rotation) -> Result<(), VaultError> {
        self.store.note_rotation(&name, &rotation)?;
        let mut state = known(self.shared.state.write());
        state.rotations.insert(name, rotation);
        Ok(())
    }

    fn note_sink(
        &mut self,
        name: SecretName,
        sink: String,
        state: SinkState,
    ) -> Result<(), VaultError> {
        self.store.note_sink(&name, &sink, &state)?;
        let mut all = known(self.shared.state.write());
        all.sinks.entry(name).or_default().insert(sink, state);
        Ok(())
    }

    fn bury(
        &mut self,
        leases: Vec<(LeaseId, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        self.store.bury(&leases, now)?;
        let mut state = known(self.shared.state.write());
        state.tombstones.retain(|_, until| *until >= now);
        state.tombstones.extend(leases);
        Ok(())
    }

    fn keep_minted(&mut self, mut sealed: SealedMinted) -> Result<(), VaultError> {
        let (place, version) = (sealed.minted.place(), sealed.minted.installation);
        self.catch_up(&place, version, &mut sealed.envelope)?;
        self.store.keep_minted(&sealed)?;
        let hashed = sealed.minted.hashed_credential.clone();
        let mut state = known(self.shared.state.write());
        state.minted.insert(hashed, sealed);
        Ok(())
    }

    fn forget_minted(&mut self, hashed: &HashedToken) -> Result<(), VaultError> {
        self.store.forget_minted(hashed)?;
        known(self.shared.state.write()).minted.remove(hashed);
        Ok(())
    }

    fn pin_repositories(&mut self, names: Vec<(Box<str>, u64)>) -> Result<(), VaultError> {
        self.store.pin_repositories(&names)?;
        let mut state = known(self.shared.state.write());
        for (name, id) in names {
            state.repositories.entry(name).or_insert(id);
        }
        Ok(())
    }

    fn unpin_repository(&mut self, name: &str) -> Result<(), VaultError> {
        self.store.unpin_repository(name)?;
        known(self.shared.state.write()).repositories.remove(name);
        Ok(())
    }

    fn keep_check(
        &mut self,
        name: SecretName,
        kept: Kept,
        findings: &str,
    ) -> Result<(), VaultError> {
        self.store.keep_check(&name, &kept, findings)?;
        let mut state = known(self.shared.state.write());
        let kept = kept.sharing(&state.checks);
        state.checks.insert(name, kept);
        Ok(())
    }

    fn keep_failed_check(
        &mut self,
        name: SecretName,
        at: Timestamp,
        why: &str,
    ) -> Result<(), VaultError> {
        self.store.keep_failed_check(&name, at, why)?;
        let mut state = known(self.shared.state.write());
        state.checks.entry(name).or_default().failed(at);
        Ok(())
    }

    fn new_log(&mut self, log_id: String) -> Result<LogIdentity, VaultError> {
        let (log, mark) = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            let log = LogIdentity {
                log_id,
                ..state.list.log.clone()
            };
            let mac = state.list.next_tag_with_log(keys, &log).bytes();
            let changes = state.list.changes + 1;
            (log, Mark { changes, mac })
        };
        self.store.new_log(&log.log_id, &mark)?;
        self.unwritten.head = None;
        self.change(&mark, |state| {
            state.list.log = log.clone();
            state.noted = None;
        });
        Ok(log)
    }

    /// Seals the data key of an envelope anew that was on its way here while the root key changed.
    fn catch_up(
        &self,
        name: &str,
        version: u64,
        envelope: &mut Box<[u8]>,
    ) -> Result<(), VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let (root, root_version) = keys.root();
        let head = envelope.first_chunk_mut::<{ envelope::HEAD }>();
        let head = head.ok_or(VaultError::Overtaken)?;
        let sealed_under = envelope::root_version(head);
        if sealed_under == root_version {
            return Ok(());
        }
        let before = keys.under(sealed_under).ok_or(VaultError::Overtaken)?;
        let now = Under {
            root,
            version: root_version,
        };
        let place = Place {
            vault: &self.shared.id,
            name,
            version,
        };
        *head = envelope::rewrap(before, now, place, head)
            .map_err(|cause| self.shared.unwrapped(cause, place))?;
        self.shared.seals.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn forget_previous(&self) {
        let kept = {
            let keys = known(self.shared.keys.read());
            keys.as_ref().is_some_and(Keys::has_previous)
        };
        if kept && let Some(keys) = &mut *known(self.shared.keys.write()) {
            keys.forget_previous();
        }
    }

    fn note_change(&mut self, change: Option<Change>) -> Result<(), VaultError> {
        let custody = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            let custody = Custody {
                change,
                ..state.custody.clone()
            };
            custody.signed(keys)
        };
        self.store.keep_custody(&custody)?;
        known(self.shared.state.write()).custody = custody;
        Ok(())
    }

    /// All rows or none, first in the database, then in memory. Nothing is added meanwhile, because
    /// whatever is comes through here; what came since the snapshot is sealed anew now.
    fn rekey(&mut self, mut next: Next) -> Result<u64, VaultError> {
        let (mut versions, mut minted) = {
            let state = known(self.shared.state.read());
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            next.custody = next.custody.clone().signed(keys);
            let anew = |name: &str, version, envelope: &[u8]| {
                let place = Place {
                    vault: &self.shared.id,
                    name,
                    version,
                };
                let damaged = || self.shared.unwrapped(RewrapError::DoesNotOpen, place);
                let (head, value) = envelope.split_first_chunk().ok_or_else(damaged)?;
                let head = self.shared.next_head(head, keys, &next, place)?;
                Ok([head.as_slice(), value].concat().into_boxed_slice())
            };
            let all = state.list.secrets.iter();
            let versions: Result<Vec<Box<[u8]>>, VaultError> = all
                .flat_map(|(name, secret)| secret.versions.iter().map(move |one| (name, one)))
                .map(|(name, one)| anew(name.as_str(), one.version, &one.envelope))
                .collect();
            let minted = state.minted.values();
            let minted: Result<Vec<Box<[u8]>>, VaultError> = minted
                .map(|one| anew(&one.minted.place(), one.minted.installation, &one.envelope))
                .collect();
            (versions?, minted?)
        };
        let count = u64::try_from(versions.len() + minted.len()).unwrap_or(u64::MAX);
        let seals = count.max(u64::try_from(next.heads.len()).unwrap_or(u64::MAX));
        let seals = seals.saturating_add(SEALED_AT_FIRST);
        {
            let state = known(self.shared.state.read());
            let all = state.list.secrets.iter();
            let all =
                all.flat_map(|(name, s)| s.versions.iter().map(move |one| (name, one.version)));
            let rows = all.zip(&versions);
            let rows = rows.map(|((name, version), envelope)| (name, version, &**envelope));
            let tokens = state.minted.keys().zip(&minted);
            let tokens = tokens.map(|(hashed, envelope)| (hashed, &**envelope));
            self.store.rekey(&next.custody, seals, rows, tokens)?;
        }
        {
            let mut state = known(self.shared.state.write());
            let mut keys = known(self.shared.keys.write());
            let State {
                list, minted: kept, ..
            } = &mut *state;
            let all = list
                .secrets
                .values_mut()
                .flat_map(|s| s.versions.iter_mut());
            for (one, envelope) in all.zip(&mut versions) {
                mem::swap(&mut one.envelope, envelope);
            }
            for (one, envelope) in kept.values_mut().zip(&mut minted) {
                mem::swap(&mut one.envelope, envelope);
            }
            let version = next.custody.keys.root_version;
            state.custody = next.custody;
            self.shared.seals.store(seals, Ordering::Relaxed);
            if let Some(keys) = &mut *keys {
                keys.change_root(next.root, version);
            }
        }
        if let Err(error) = self.store.forget_old_rows() {
            tracing::error!(%error, "data keys under the root key before linger in the vault's log");
        }
        Ok(count)
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
        let changes = list.changes + 1;
        Ok((outline, Mark { changes, mac }))
    }

    /// Makes in memory the change that is durable now.
    fn change<T>(&self, mark: &Mark, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = known(self.shared.state.write());
        state.list.changes = mark.changes;
        state.list.mac = mark.mac.into();
        change(&mut state)
    }

    fn apply(&mut self, head: Head, deltas: Vec<UsageDelta>) {
        self.unwritten.head = Some(head);
        if deltas.is_empty() {
            return;
        }
        let mut state = known(self.shared.state.write());
        for delta in deltas {
            let State { list, figures, .. } = &mut *state;
            let used = figures
                .last_used
                .entry(delta.secret.clone())
                .or_insert(delta.at);
            *used = delta.at.max(*used);
            self.unwritten.used.insert(delta.secret.clone());
            let newest = list.secrets.get(&delta.secret);
            let newest = newest.and_then(|s| s.versions.last()).map(|s| s.version);
            // Whoever holds an older value than today's is exposed to nothing that still counts.
            let current = delta.version.is_none() || delta.version == newest;
            if let Some((uid, purpose)) = delta.exposed_to
                && current
            {
                let key = (delta.secret, uid, purpose.clone());
                let exposure = figures
                    .exposures
                    .entry(key.clone())
                    .or_insert_with(|| Exposure {
                        uid,
                        purpose,
                        last: delta.at,
                        leases: 0,
                    });
                exposure.last = delta.at.max(exposure.last);
                exposure.leases += delta.leases;
                self.unwritten.exposed.insert(key);
            }
        }
    }

    /// Writes what has been noted. On failure it stays unwritten and is tried with the next note:
    /// head and figures go together or not at all, so a restart counts nothing twice.
    fn write_notes(&mut self) {
        let Some(head) = self.unwritten.head else {
            return;
        };
        let written = {
            let state = known(self.shared.state.read());
            let Unwritten { used, exposed, .. } = &self.unwritten;
            let figures = &state.figures;
            let used = used
                .iter()
                .filter_map(|n| figures.last_used.get_key_value(n));
            let used = used.map(|(name, at)| (name, *at));
            let exposed = exposed
                .iter()
                .filter_map(|k| figures.exposures.get_key_value(k));
            self.store.note(head, used, exposed)
        };
        match written {
            Ok(()) => {
                self.unwritten = Unwritten::default();
                known(self.shared.state.write()).noted = Some(head);
            }
            Err(error) if !self.unwritten.failing => {
                self.unwritten.failing = true;
                tracing::error!(%error, "the audit log's head could not be noted in the vault");
            }
            Err(_) => {}
        }
    }
}

/// How many requests are served before notes are written, at the most.
const MOST_TOGETHER: usize = 1024;

fn numbers(versions: &[Sealed]) -> Vec<u64> {
    versions.iter().map(|sealed| sealed.version).collect()
}
