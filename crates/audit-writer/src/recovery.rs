//! Reads the end of the log, and moves aside what does not belong there.
//!
//! The same code at start and after a fault. They differ in one thing ([`Keep`]): a start keeps
//! every whole record, since one that reached the disk happened even if its writer never heard; a
//! running broker keeps what it acknowledged and not a byte more, since whoever asked for the rest
//! was refused.
//!
//! Damage is moved aside only at the end of the log and beyond the last head that is known from
//! elsewhere (the vault's note, or the running broker's own memory). Anything else is refused: it
//! is not ours to decide that acknowledged records did not happen.

use broker_audit::chain::{Head, LineHash};
use broker_audit::prefix::holds_two;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::LogIdentity;
use super::disk::Disk;
use super::error::AuditLogError;
use super::layout::LastOpening;
use super::live_leases::{CONTINUED, LiveLeases, Replay};
use super::segment::{self, Torn, Walk};
use super::set_aside::{read_from, set_aside, sync_file};
use super::since_noted::SinceNoted;

/// How much of the log counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    /// Every whole record; the log must lead through these heads.
    Whole(KnownHeads),
    /// Records up to this head, which must all be there.
    Acknowledged(Head),
}

/// Heads that the log must lead through.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownHeads {
    /// The later one: grants after it have yet to be counted.
    pub(super) newest: Head,
    /// An earlier one, where the vault knows of two: changes after it are to be reported.
    pub(super) before: Option<Head>,
}

impl KnownHeads {
    /// Of two heads, either of which may be the later.
    pub(super) fn of(noted: Option<Head>, authenticated: Option<Head>) -> Self {
        let (one, other) = (
            noted.unwrap_or(Head::EMPTY),
            authenticated.unwrap_or(Head::EMPTY),
        );
        let (newest, before) = if one.records >= other.records {
            (one, other)
        } else {
            (other, one)
        };
        let before = Some(before).filter(|before| before.records > 0 && *before != newest);
        Self { newest, before }
    }
}

impl Keep {
    const fn must_hold(self) -> Head {
        match self {
            Self::Whole(noted) => noted.newest,
            Self::Acknowledged(head) => head,
        }
    }

    const fn before(self) -> Option<Head> {
        match self {
            Self::Whole(noted) => noted.before,
            Self::Acknowledged(_) => None,
        }
    }

    /// Number of records before the first that the vault may not know.
    fn earliest(self) -> u64 {
        self.before().unwrap_or_else(|| self.must_hold()).records
    }

    /// The head that one at this place is not, and should be.
    fn contradicted_by(self, at: Head) -> Option<Head> {
        let heads = [Some(self.must_hold()), self.before()];
        let mut heads = heads.into_iter().flatten();
        heads.find(|head| head.records == at.records && head.hash != at.hash)
    }
}

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
        let first_exists = segments.first() == Some(&0);
        if first_exists && refuse_foreign(disk, identity)? == FirstLine::Unreadable && last > 0 {
            return Err(damaged(disk, 0, 0, 0));
        }
        match read(disk, &segments, keep)? {
            Scan::Ends(found) => {
                // A broker may have been killed before it could sync its last records, which are about
                // to count; and what was cut off must not come back.
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

#[derive(PartialEq, Eq)]
enum FirstLine {
    Ours,
    Unreadable,
}

/// Compares the log's first record, if it is still there, with the vault's identity.
fn refuse_foreign<D: Disk>(disk: &D, identity: &LogIdentity) -> Result<FirstLine, AuditLogError> {
    #[derive(Deserialize)]
    struct LogOpened {
        log_id: String,
        public_key: String,
    }
    let name = segment::name(0);
    let bytes = disk
        .read(&name, 0, FIRST_LINE)
        .map_err(AuditLogError::io("read", &disk.path(&name)))?;
    let line = Walk::from(Head::EMPTY, &bytes).next();
    let Some(opened) = line.and_then(|l| serde_json::from_str::<LogOpened>(l.text).ok()) else {
        return Ok(FirstLine::Unreadable);
    };
    if (opened.log_id.as_str(), opened.public_key.as_str())
        != (identity.log_id.as_str(), identity.public_key.as_str())
    {
        return Err(AuditLogError::Foreign {
            path: disk.path(&name),
            found: opened.log_id,
            wanted: identity.log_id.clone(),
        });
    }
    Ok(FirstLine::Ours)
}

/// More than `log.opened` takes.
const FIRST_LINE: u64 = 4096;

enum Scan {
    /// The last segment ends with a record that counts; the names its `log.recovered` records give.
    Ends(Box<(LastSegment, Vec<String>)>),
    /// From this byte on, the last segment holds nothing that counts.
    Torn { offset: u64 },
}

/// Walks from the segment that holds the head that is known from elsewhere to the end.
fn read<D: Disk>(disk: &D, segments: &[u64], keep: Keep) -> Result<Scan, AuditLogError> {
    let must_hold = keep.must_hold();
    let earliest = keep.earliest();
    let start = if earliest == 0 {
        0
    } else {
        let after = segments.partition_point(|first| *first <= earliest);
        // Records before the head are confirmed by the chain that leads to it.
        after
            .checked_sub(1)
            .ok_or_else(|| missing(disk, "", earliest))?
    };
    let start = start.min(where_opened(disk, segments)?);
    let mut walked = Walked::default();
    let to_walk = segments.get(start..).unwrap_or_default();
    let mut rest = to_walk.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let is_last = rest.peek().is_none();
        let bytes = read_from(disk, &segment::name(first), 0)?;
        let part = read_segment(disk, first, &bytes, keep, &mut walked)?;
        if !is_last {
            if part.offset != bytes.len() || bytes.is_empty() {
                return Err(damaged(disk, first, part.offset, part.head.records));
            }
            walked.last_opening = walked.last_opening.and(bytes.len() as u64);
            if rest.peek() != Some(&part.head.records) {
                return Err(missing(
                    disk,
                    &segment::name(part.head.records),
                    part.head.records,
                ));
            }
            continue;
        }
        if part.offset > 0 && walked.replay.is_blind() {
            return Err(missing(disk, "", 0));
        }
        // One without a whole first line says nothing, not even that it goes on.
        let opened = part.offset > 0 && walked.replay.opened();
        let offset = if opened { part.offset } else { 0 };
        if part.head.records < must_hold.records || (offset == 0 && first < must_hold.records) {
            let path = disk.path(&segment::name(first));
            return Err(if offset == bytes.len() {
                AuditLogError::Truncated {
                    path,
                    found: part.head.records,
                    wanted: must_hold.records,
                }
            } else {
                damaged(disk, first, part.offset, part.head.records)
            });
        }
        // Nothing before this segment tells where the chain stood, so it cannot be begun anew.
        if offset == 0 && first > 0 && segments.len() == 1 {
            return Err(damaged(disk, first, 0, first));
        }
        if offset < bytes.len() || !opened {
            return Ok(Scan::Torn {
                offset: offset as u64,
            });
        }
        let last = LastSegment {
            first,
            size: bytes.len() as u64,
            last_opening: walked.last_opening,
            head: part.head,
            time: part.time,
            live: walked.replay.live,
            since: walked.since,
        };
        return Ok(Scan::Ends(Box::new((last, walked.replay.moved_aside))));
    }
    Err(missing(disk, "", must_hold.records))
}

/// The first of the segments from which on live leases are listed: mostly the last one.
fn where_opened<D: Disk>(disk: &D, segments: &[u64]) -> Result<usize, AuditLogError> {
    let mut at = segments.len().saturating_sub(1);
    while let Some(&first) = segments.get(at) {
        let name = segment::name(first);
        let io = AuditLogError::io("read", &disk.path(&name));
        let bytes = disk.read(&name, 0, FIRST_LINE).map_err(io)?;
        let walk = Walk::trusting(first, &bytes);
        let line = walk.and_then(|mut walk| walk.next());
        let Some(line) = line.filter(|line| line.kind == CONTINUED) else {
            break;
        };
        at = at.checked_sub(1).ok_or_else(|| {
            let last_opening = serde_json::from_str::<Continued>(line.text);
            let since = last_opening.map_or(first, |last_opening| last_opening.since);
            missing(disk, &segment::name(since), since)
        })?;
    }
    Ok(at)
}

#[derive(Deserialize)]
struct Continued {
    since: u64,
}

/// What the segments walked so far hold.
#[derive(Default)]
struct Walked {
    head: Option<Head>,
    replay: Replay,
    last_opening: LastOpening,
    since: SinceNoted,
}

/// How far one segment counts.
struct SegmentScan {
    head: Head,
    /// End of the last line that counts.
    offset: usize,
    time: Option<Timestamp>,
}

fn read_segment<D: Disk>(
    disk: &D,
    first: u64,
    bytes: &[u8],
    keep: Keep,
    walked: &mut Walked,
) -> Result<SegmentScan, AuditLogError> {
    let must_hold = keep.must_hold();
    let earliest = keep.earliest();
    let before = walked.head;
    let mut part = SegmentScan {
        head: before.unwrap_or(Head {
            records: first,
            hash: LineHash::ZERO,
        }),
        offset: 0,
        time: None,
    };
    walked.replay.next_segment();
    walked.head = Some(part.head);
    let Some(mut walk) = Walk::trusting(first, bytes) else {
        return Ok(part);
    };
    // A whole line that does not continue the segment before is no torn end: the damage lies there.
    if before.is_some_and(|before| before != walk.head()) {
        return Err(damaged(disk, first, 0, first));
    }
    let check = |at: Head| match keep.contradicted_by(at) {
        None => Ok(()),
        Some(head) => Err(AuditLogError::Rewritten {
            path: disk.path(&segment::name(first)),
            seq: head.records.saturating_sub(1),
        }),
    };
    check(walk.head())?;
    let unfinished = before.is_some() && !walked.replay.opened();
    let mut previous = part.offset;
    let mut last_text = "";
    while !matches!(keep, Keep::Acknowledged(head) if head == walk.head()) {
        let Some(line) = walk.next() else { break };
        let was_open = part.offset > 0 && walked.replay.opened();
        let goes_on = line.kind == CONTINUED;
        if walked.replay.take(&line).is_none() {
            break;
        }
        if part.offset == 0 && !goes_on {
            // The list of live leases that the segment before began has no end.
            if unfinished {
                return Err(damaged(disk, first, 0, first));
            }
            walked.last_opening = LastOpening {
                since: first,
                ..LastOpening::default()
            };
        }
        check(walk.head())?;
        if walk.head().records > earliest {
            walked.since.take_change(&line);
        }
        if walk.head().records > must_hold.records {
            walked.since.take_grant(&line);
        }
        previous = part.offset;
        last_text = line.text;
        part.offset = walk.offset();
        part.head = walk.head();
        part.time = line.time.parse().ok();
        if !was_open && walked.replay.opened() && line.kind != CONTINUED {
            walked.last_opening.opening = walked.last_opening.before + part.offset as u64;
        }
    }
    // A line is confirmed by the line after it; the last has only its own form. A page lost from
    // the middle of it would leave no JSON, and a verifier asks whether it holds two records.
    if part.head.records > must_hold.records
        && (serde_json::from_str::<IgnoredAny>(last_text).is_err()
            || holds_two(last_text.as_bytes()))
    {
        part.offset = previous;
    }
    walked.head = Some(part.head);
    Ok(part)
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
