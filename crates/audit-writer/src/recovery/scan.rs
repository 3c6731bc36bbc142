//! Walks the segments from a head that is known to the end of the log.

use broker_audit::chain::{Head, LineHash};
use broker_audit::prefix::holds_two;
use broker_audit::segment::content;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::disk::Disk;
use super::super::error::AuditLogError;
use super::super::layout::LastOpening;
use super::super::replay::{CONTINUED, Replay};
use super::super::segment::{self, Walk};
use super::super::set_aside::read_from;
use super::super::since_noted::SinceNoted;
use super::heads::Keep;
use super::{FIRST_LINE, LastSegment, damaged, missing};

/// What a walk found.
pub(super) enum Scan {
    /// The last segment ends with a record that counts; the names its `log.recovered` records give.
    Ends(Box<(LastSegment, Vec<String>)>),
    /// From this byte on, the last segment holds nothing that counts.
    Torn { offset: u64 },
}

/// Walks from the segment that holds the head that is known from elsewhere to the end.
pub(super) fn read<D: Disk>(disk: &D, segments: &[u64], keep: Keep) -> Result<Scan, AuditLogError> {
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
        // Only the last may end in zeros.
        let bytes = if is_last { content(&bytes) } else { &bytes };
        let part = read_segment(disk, first, bytes, keep, &mut walked)?;
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
        // Nothing before this segment tells where the chain stood, so it cannot be started over.
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
    // A whole line that does not continue the segment before is no torn end: the damage is there.
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
