//! Appends batches of records, each made durable by one write and one sync; fails closed.
//!
//! Two states. *Sound*: the last segment on disk is ours, ends with our head, and the next batch
//! follows. *Faulted*: an operation failed, or someone else touched the file. Then nothing is
//! appended to that segment again: after a failed sync the kernel may have dropped the very pages it
//! failed to write and will call the next sync a success. Recovery reads the segment back, keeps
//! what was acknowledged, and opens a new one; until that works every batch is refused.
//!
//! Foreign hands: before each batch the file must be the one its name leads to, and exactly as long
//! as we made it; where zeros are written ahead (`ahead`), the bytes to be replaced must still be zeros.
//!
//! - *Longer, or no zeros*: whatever was appended, well chained or not, the broker did not record. It is moved
//!   aside, and the log goes on in a new segment.
//! - *Shorter, or changed*: acknowledged records are gone. Nothing is written until they are back.
//! - *Deleted or replaced*: likewise. Putting the very file back is enough; recovery is tried again
//!   with each record, at most once a second.
//!
//! Not here: threads, callers, and what a record says.

use std::time::Duration;

use broker_audit::chain::Head;
use broker_audit::record::{Body, LogEvent, write_line};
use broker_clock::Now;
use broker_protocol::hex;
use sha2::{Digest as _, Sha256};

use super::ahead::{Ahead, Room};
use super::disk::Disk;
use super::error::AuditLogError;
use super::layout::{LastOpening, Layout};
use super::live_leases::{Effect, LiveLeases};
use super::recovery::{self, Keep, KnownHeads};
use super::segment::{self, Torn};
use super::tail::{Tail, begin, begin_with, resume};
use super::{LogIdentity, LogState};

/// One record to be.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) body: Body,
    pub(super) effect: Effect,
}

/// The end of the log.
pub(super) struct Appender<D: Disk> {
    disk: D,
    identity: LogIdentity,
    segment_limit: u64,
    ahead: Ahead<D>,
    live: LiveLeases,
    /// After the last acknowledged record.
    pub(super) head: Head,
    tail: Tail<D::File>,
    /// Why nothing is appended.
    fault: Option<String>,
    /// When recovery was last tried, on the boot clock.
    tried_at: Option<Duration>,
    lines: Vec<u8>,
    /// What the lines replace.
    replaced: Vec<u8>,
}

/// How long after a recovery the next is tried, on the boot clock. After a successful one too: a
/// device that takes the beginning of a segment and nothing more must not be filled with them.
const RETRY: Duration = Duration::from_secs(1);

/// Longest part of a line before its body, newline included: 13 + 20 + 9 + 27 + 10 + 64 + 2 + 1.
const PREFIX: u64 = 146;

/// Lines are built in one buffer, which shrinks back to this after a large batch.
const BUFFER: usize = 1 << 20;

impl<D: Disk> Appender<D> {
    /// Reads the end of the log, repairs it, or makes a new log where there is none.
    pub(super) fn open(
        disk: D,
        identity: LogIdentity,
        noted: KnownHeads,
        (segment_limit, ahead): (u64, Ahead<D>),
        now: Now,
    ) -> Result<(Self, LogState), AuditLogError> {
        let found = recovery::recover(&disk, &identity, Keep::Whole(noted))?;
        let why = "these bytes at the end of the segment were no whole records at start";
        let recovered = name_recovered(&disk, &found.unnamed, why)?;
        let mut opened = LogState {
            recovered: !recovered.is_empty(),
            ..LogState::default()
        };
        let (live, head, tail) = match found.last {
            None => {
                opened.created = true;
                let log_opened = Body::of(&LogEvent::Opened {
                    log_id: &identity.log_id,
                    public_key: &identity.public_key,
                    format: FORMAT,
                })?;
                let mut layout = Layout::new(Head::EMPTY, now.wall, segment_limit);
                layout.add(&[log_opened]);
                let live = LiveLeases::default();
                let (head, tail) = begin_with(&disk, layout, &live, &recovered)?;
                (live, head, tail)
            }
            Some(last) => {
                let (head, tail) = if recovered.is_empty() {
                    (last.head, resume(&disk, &last)?)
                } else {
                    let layout = Layout::new(last.head, now.wall, segment_limit);
                    begin_with(&disk, layout, &last.live, &recovered)?
                };
                opened.last_time = last.time;
                opened.live = last.live.all();
                opened.since_noted = last.since;
                (last.live, head, tail)
            }
        };
        let appender = Self {
            disk,
            identity,
            segment_limit,
            ahead,
            live,
            head,
            tail,
            fault: None,
            tried_at: None,
            lines: Vec::new(),
            replaced: Vec::new(),
        };
        Ok((appender, opened))
    }

    /// Why nothing is appended, if nothing is.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Whether the log itself holds this lease live.
    pub(super) fn holds(&self, effect: &Effect) -> bool {
        matches!(effect, Effect::LeaseEnds(lease) if self.live.contains(lease))
    }

    /// How many of these records, from the first on, fit into one batch: at least one.
    pub(super) fn batch<'a>(&self, entries: impl Iterator<Item = &'a Entry> + Clone) -> usize {
        let room = self.segment_limit.saturating_sub(self.tail.size);
        match fitting(entries.clone(), room) {
            // The batch opens a new segment, and may fill half of it.
            0 => fitting(entries, self.segment_limit / 2).max(1),
            fits => fits,
        }
    }

    /// Makes a batch durable and returns the `seq` of its first record. All or nothing: after an
    /// error none of it was recorded, and the log is faulted until [`Appender::recover`] repairs it.
    pub(super) fn append(&mut self, batch: &[Entry], now: Now) -> Result<u64, AuditLogError> {
        let appended = self.try_append(batch, now);
        if let Err(error) = &appended {
            self.fault = Some(error.to_string());
            // Recovery cuts the file, and no zeros may come behind that.
            self.ahead.settle(self.tail.length, u64::MAX, now.boot);
        }
        appended
    }

    fn try_append(&mut self, batch: &[Entry], now: Now) -> Result<u64, AuditLogError> {
        let size: u64 = batch.iter().map(size_of).sum();
        let end = self.tail.size + size;
        let rolls = end > self.segment_limit;
        // A segment that is left needs no step that is under way.
        self.refuse_foreign_hands(if rolls { u64::MAX } else { end }, now)?;
        if rolls {
            self.tail.cut(&self.disk)?;
            (self.head, self.tail) = begin(&self.disk, self.next_segment(now)?)?;
        }
        self.lines.clear();
        let mut head = self.head;
        for entry in batch {
            head = write_line(&mut self.lines, head, now.wall, &entry.body);
        }
        self.refuse_other_than_zeros()?;
        let Tail {
            file,
            name,
            size,
            length,
            ..
        } = &mut self.tail;
        // Only an error needs the path.
        let failed = |what, error| AuditLogError::io(what, &self.disk.path(name))(error);
        let written = self.disk.write_at(file, *size, &self.lines);
        written.map_err(|error| failed("append to", error))?;
        let synced = self.disk.sync_data(file);
        synced.map_err(|error| failed("sync", error))?;
        *size += self.lines.len() as u64;
        *length = (*length).max(*size);
        self.lines.shrink_to(BUFFER);
        let room = Room {
            size: *size,
            length: *length,
            limit: self.segment_limit,
        };
        self.ahead.extend(&self.disk, (name, file), room, now.boot);
        let first = std::mem::replace(&mut self.head, head).records;
        for (seq, entry) in (first..).zip(batch) {
            self.live.apply(seq, &entry.effect, entry.body.as_str());
        }
        Ok(first)
    }

    /// What the next segment begins with. Live leases are not listed again before as much was recorded as
    /// telling them took, or a log with very many of them would consist of openings.
    fn next_segment(&self, now: Now) -> Result<Layout, AuditLogError> {
        let mut layout = Layout::new(self.head, now.wall, self.segment_limit);
        let LastOpening { opening, .. } = self.tail.last_opening;
        let last_opening = self.tail.last_opening.and(self.tail.size);
        if last_opening.before < opening.saturating_mul(2) {
            layout.go_on(last_opening)?;
        } else {
            layout.open(&self.live)?;
        }
        Ok(layout)
    }

    /// `end` is where the records that come now will end.
    fn refuse_foreign_hands(&mut self, end: u64, now: Now) -> Result<(), AuditLogError> {
        let Tail {
            file, name, length, ..
        } = &mut self.tail;
        let path = || self.disk.path(name);
        let (lengths, settled) = self.ahead.settle(*length, end, now.boot);
        let looked = self.disk.look(name, file);
        match looked.map_err(|error| AuditLogError::io("look at", &path())(error))? {
            Some(found) if lengths.contains(&found) => {
                if settled {
                    *length = found;
                }
                Ok(())
            }
            Some(found) => Err(AuditLogError::Resized {
                path: path(),
                found,
                wanted: *length,
            }),
            None => Err(AuditLogError::Deleted { path: path() }),
        }
    }

    /// What is about to be replaced must be what was written ahead.
    fn refuse_other_than_zeros(&mut self) -> Result<(), AuditLogError> {
        let Tail {
            file,
            name,
            size,
            length,
            ..
        } = &self.tail;
        let to_replace = (self.lines.len() as u64).min(length.saturating_sub(*size));
        let to_replace = usize::try_from(to_replace).unwrap_or(self.lines.len());
        self.replaced.clear();
        self.replaced.resize(to_replace, 0);
        let read = self.disk.read_at(file, *size, &mut self.replaced);
        read.map_err(|error| AuditLogError::io("read", &self.disk.path(name))(error))?;
        let other = self.replaced.iter().position(|byte| *byte != 0);
        self.replaced.shrink_to(BUFFER);
        match other {
            None => Ok(()),
            Some(at) => Err(AuditLogError::Overwritten {
                path: self.disk.path(name),
                offset: *size + at as u64,
            }),
        }
    }

    /// Leaves the log as one that no broker writes to.
    pub(super) fn close(&mut self, now: Now) {
        if self.fault.is_some() {
            return;
        }
        let closed = self.refuse_foreign_hands(u64::MAX, now);
        if let Err(error) = closed.and_then(|()| self.tail.cut(&self.disk)) {
            tracing::warn!(%error, "the zeros at the end of the audit log stay; the next start cuts them off");
        }
    }

    /// Tries to repair a faulted log, if the last attempt is long enough ago.
    pub(super) fn recover(&mut self, now: Now) {
        let Some(why) = &self.fault else { return };
        if self.tried_at.is_some_and(|at| now.boot < at + RETRY) {
            return;
        }
        self.tried_at = Some(now.boot);
        let why = why.clone();
        // If that fails, what is wrong now is what the operator must fix first.
        self.fault = self.try_recover(now, &why).err().map(|e| e.to_string());
    }

    fn try_recover(&mut self, now: Now, why: &str) -> Result<(), AuditLogError> {
        let name = &self.tail.name;
        let path = self.disk.path(name);
        let size = self.disk.size(name);
        if size.map_err(AuditLogError::io("look at", &path))?.is_none() {
            return Err(AuditLogError::Deleted { path });
        }
        let found = recovery::recover(&self.disk, &self.identity, Keep::Acknowledged(self.head))?;
        let mut recovered = name_recovered(&self.disk, &found.unnamed, why)?;
        if recovered.is_empty() {
            // Nothing had reached the segment. That it was left, and why, is recorded all the same.
            recovered.push(recovered_event(name, "", &[], why)?);
        }
        let layout = Layout::new(self.head, now.wall, self.segment_limit);
        (self.head, self.tail) = begin_with(&self.disk, layout, &self.live, &recovered)?;
        Ok(())
    }
}

const FORMAT: &str = "tokend-audit-v1";

fn size_of(entry: &Entry) -> u64 {
    PREFIX + entry.body.as_str().len() as u64
}

fn fitting<'a>(entries: impl Iterator<Item = &'a Entry>, room: u64) -> usize {
    let mut size = 0;
    entries
        .take_while(|entry| {
            size += size_of(entry);
            size <= room
        })
        .count()
}

fn name_recovered<D: Disk>(disk: &D, torn: &[Torn], why: &str) -> Result<Vec<Body>, AuditLogError> {
    let name = |torn: &Torn| {
        let io = AuditLogError::io("read", &disk.path(&torn.name));
        let bytes = disk.read(&torn.name, 0, u64::MAX).map_err(io)?;
        recovered_event(&segment::name(torn.first), &torn.name, &bytes, why)
    };
    torn.iter().map(name).collect()
}

fn recovered_event(
    segment: &str,
    moved_to: &str,
    bytes: &[u8],
    why: &str,
) -> Result<Body, AuditLogError> {
    Ok(Body::of(&LogEvent::Recovered {
        segment,
        moved_to,
        bytes: bytes.len() as u64,
        sha256: &hex::of(&Sha256::digest(bytes)),
        why,
    })?)
}
