//! Reads the end of the log, and moves aside what does not belong there.
//!
//! The same code at start and after a fault. They differ in one thing ([`Keep`]): a start keeps
//! every whole record, since one that reached the disk happened even if its writer never heard; a
//! running broker keeps what it acknowledged and not a byte more, since the callers of the rest
//! were refused.
//!
//! Damage is moved aside only at the end of the log and beyond the last head that is known from
//! elsewhere (the vault's note, or the running broker's own memory). Anything else is refused: it
//! is not ours to decide that acknowledged records did not happen.

mod heads;
mod scan;

use broker_audit::chain::Head;
use jiff::Timestamp;

pub(super) use self::heads::{Keep, KnownHeads};
use self::scan::{Scan, read};
use super::LogIdentity;
use super::disk::Disk;
use super::error::AuditLogError;
use super::layout::LastOpening;
use super::live_leases::LiveLeases;
use super::segment::{self, Torn, Walk};
use super::set_aside::{set_aside, sync_file};
use super::since_noted::SinceNoted;

/// The log as it is on disk, ending with a whole record.
#[derive(Debug)]
pub(super) struct LogEnd {
    /// The last segment; `None` if there is no log yet.
    pub(super) last: Option<LastSegment>,
    /// Files moved aside from the end of the log that no record names yet.
    pub(super) unnamed: Vec<Torn>,
}

/// The last segment.
#[derive(Debug)]
pub(super) struct LastSegment {
    /// Its first record.
    pub(super) first: u64,
    /// Its size.
    pub(super) size: u64,
    /// Where the live leases were last listed.
    pub(super) last_opening: LastOpening,
    /// Where the log stands.
    pub(super) head: Head,
    /// When its last record was written.
    pub(super) time: Option<Timestamp>,
    /// Live leases after its last record.
    pub(super) live: LiveLeases,
    /// What the records after the head that was to be held tell.
    pub(super) since: SinceNoted,
}

/// Reads the end of the log and moves aside what follows its last record that counts.
pub(super) fn recover<D: Disk>(
    disk: &D,
    identity: &LogIdentity,
    keep: Keep,
) -> Result<LogEnd, AuditLogError> {
    let must_hold = keep.must_hold();
    loop {
        let (segments, torn) = survey(disk)?;
        let Some(&last) = segments.last() else {
            if must_hold.records > 0 {
                return Err(missing(disk, "", 0));
            }
            let unnamed = torn.into_iter().filter(|t| (t.first, t.offset) == (0, 0));
            return Ok(LogEnd {
                last: None,
                unnamed: unnamed.collect(),
            });
        };
        // What begins after the last acknowledged record is an opening that was not finished.
        if matches!(keep, Keep::Acknowledged(head) if head.records <= last) {
            set_aside(disk, last, 0)?;
            continue;
        }
        forget_cached(disk, last);
        if segments.first() == Some(&0) {
            match identity_in(disk)? {
                None if last > 0 => return Err(damaged(disk, 0, 0, 0)),
                Some(found) if found != *identity => {
                    return Err(AuditLogError::Foreign {
                        path: disk.path(&segment::name(0)),
                        found: found.log_id,
                        wanted: identity.log_id.clone(),
                    });
                }
                _ => {}
            }
        }
        match read(disk, &segments, keep)? {
            Scan::Ends(found) => {
                // A broker may have been killed before it could sync its last records, which are about
                // to count; and what was cut off must not come back.
                cut_zeros(disk, &found.0)?;
                sync_file(disk, &segment::name(last))?;
                let unnamed = unnamed(disk, &segments, &found.0, torn, &found.1)?;
                return Ok(LogEnd {
                    last: Some(found.0),
                    unnamed,
                });
            }
            Scan::Torn { offset } => set_aside(disk, last, offset)?,
        }
    }
}

/// Cuts off what was written ahead of the last record.
fn cut_zeros<D: Disk>(disk: &D, last: &LastSegment) -> Result<(), AuditLogError> {
    let name = segment::name(last.first);
    let io = |what| AuditLogError::io(what, &disk.path(&name));
    if disk.size(&name).map_err(io("look at"))? == Some(last.size) {
        return Ok(());
    }
    let file = disk.open(&name).map_err(io("open"))?;
    disk.truncate(&file, last.size).map_err(io("cut"))
}

fn survey<D: Disk>(disk: &D) -> Result<(Vec<u64>, Vec<Torn>), AuditLogError> {
    let names = disk
        .list()
        .map_err(AuditLogError::io("list", &disk.path("")))?;
    let mut segments: Vec<u64> = names
        .iter()
        .filter_map(|n| segment::first_record(n))
        .collect();
    let mut torn: Vec<Torn> = names.iter().filter_map(|n| Torn::parse(n)).collect();
    segments.sort_unstable();
    torn.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok((segments, torn))
}

/// Lets what is read next come from the device: after a failed sync the page cache may hold, as if
/// clean, what the device never got. Pages not written yet stay; they are synced before they count.
fn forget_cached<D: Disk>(disk: &D, first: u64) {
    let name = segment::name(first);
    if let Err(error) = disk.forget_cached(&name) {
        tracing::debug!(%error, name, "cannot drop the segment from the page cache");
    }
}

/// Whose log it is, as its first record says; `None` if that cannot be read.
fn identity_in<D: Disk>(disk: &D) -> Result<Option<LogIdentity>, AuditLogError> {
    let name = segment::name(0);
    let bytes = disk
        .read(&name, 0, FIRST_LINE)
        .map_err(AuditLogError::io("read", &disk.path(&name)))?;
    let line = Walk::from(Head::EMPTY, &bytes).next();
    Ok(line.and_then(|line| serde_json::from_str(line.text).ok()))
}

/// Which files moved aside at the end of the log, or just before live leases were last listed, no record
/// from there on names.
fn unnamed<D: Disk>(
    disk: &D,
    segments: &[u64],
    last: &LastSegment,
    torn: Vec<Torn>,
    named: &[String],
) -> Result<Vec<Torn>, AuditLogError> {
    let last_opening = segments.partition_point(|first| *first < last.last_opening.since);
    let mut ends = Vec::new();
    for &first in segments
        .get(last_opening.saturating_sub(1)..)
        .unwrap_or_default()
    {
        let name = segment::name(first);
        let io = AuditLogError::io("look at", &disk.path(&name));
        ends.extend(disk.size(&name).map_err(io)?.map(|size| (first, size)));
    }
    // An opening that was not finished may have begun several segments, and the one that took its place
    // may by now go on in others.
    let opening = |t: &Torn| t.offset == 0 && t.first >= last.last_opening.since;
    let at_the_end = |t: &Torn| ends.contains(&(t.first, t.offset)) || opening(t);
    let unnamed = torn.into_iter().filter(at_the_end);
    Ok(unnamed.filter(|t| !named.contains(&t.name)).collect())
}

fn missing<D: Disk>(disk: &D, name: &str, from: u64) -> AuditLogError {
    AuditLogError::Missing {
        path: disk.path(name),
        from,
    }
}

fn damaged<D: Disk>(disk: &D, first: u64, offset: usize, seq: u64) -> AuditLogError {
    AuditLogError::Damaged {
        path: disk.path(&segment::name(first)),
        offset: offset as u64,
        seq,
    }
}

/// More than `log.opened` takes.
const FIRST_LINE: u64 = 4096;
