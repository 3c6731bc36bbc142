//! What the next segments hold before any record of a caller's: which leases are live.
//!
//! They are listed in as many segments as it takes, each half full at most, so that none passes its limit
//! and whatever was written can be read back. A segment that goes on from the one before says so in its
//! first record, and where a start has to begin to read.
//!
//! Pure. Not here: how segments are made durable, and how they are read.

use broker_audit::chain::Head;
use broker_audit::record::{Body, LeaseEvent, write_line};
use jiff::Timestamp;

use super::live_leases::{LiveLeases, PART_BYTES};

/// Where the live leases were last listed, as the last segment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LastOpening {
    /// First record of the segment where that begins.
    pub(super) since: u64,
    /// Bytes it took.
    pub(super) opening: u64,
    /// Bytes of the segments from there to the last one, which is not counted.
    pub(super) before: u64,
}

impl LastOpening {
    /// The same once a segment of `size` bytes is no longer the last.
    pub(super) const fn and(self, size: u64) -> Self {
        Self {
            before: self.before.saturating_add(size),
            ..self
        }
    }
}

/// One segment to be made.
#[derive(Debug)]
pub(super) struct NewSegment {
    /// Its first record.
    pub(super) first: u64,
    /// All that it holds.
    pub(super) lines: Vec<u8>,
}

/// The segments that follow a head.
#[derive(Debug)]
pub(super) struct Layout {
    /// All but the last.
    pub(super) full: Vec<NewSegment>,
    /// Where the log goes on.
    pub(super) last: NewSegment,
    /// As the last one stands.
    pub(super) last_opening: LastOpening,
    /// After all of them.
    pub(super) head: Head,
    time: Timestamp,
    /// How far an opening may fill a segment: a batch may take the other half.
    room: u64,
}

impl Layout {
    /// An empty segment after this head.
    pub(super) const fn new(head: Head, time: Timestamp, segment_limit: u64) -> Self {
        Self {
            full: Vec::new(),
            last: NewSegment {
                first: head.records,
                lines: Vec::new(),
            },
            last_opening: LastOpening {
                since: head.records,
                opening: 0,
                before: 0,
            },
            head,
            time,
            room: segment_limit / 2,
        }
    }

    /// Writes the live leases again, in as many segments as that takes.
    pub(super) fn open(&mut self, live: &LiveLeases) -> Result<(), serde_json::Error> {
        let longest_part = PART_BYTES.min(self.room / 2);
        // A segment holds one of these records at least, or they would never be listed.
        let mut begins = true;
        for body in &live.opening(longest_part)? {
            let (bytes, head) = (self.last.lines.len(), self.head);
            self.write(body);
            if !begins && self.last.lines.len() as u64 > self.room {
                self.last.lines.truncate(bytes);
                self.head = head;
                self.leave()?;
                self.write(body);
            }
            begins = false;
        }
        self.last_opening.opening = self.last_opening.before + self.last.lines.len() as u64;
        Ok(())
    }

    /// Goes on with what was listed before.
    pub(super) fn go_on(&mut self, last_opening: LastOpening) -> Result<(), serde_json::Error> {
        self.last_opening = last_opening;
        let since = last_opening.since;
        self.write(&Body::of(&LeaseEvent::Continued { since })?);
        Ok(())
    }

    /// Adds records after the opening.
    pub(super) fn add(&mut self, records: &[Body]) {
        for body in records {
            self.write(body);
        }
    }

    fn leave(&mut self) -> Result<(), serde_json::Error> {
        let next = NewSegment {
            first: self.head.records,
            lines: Vec::new(),
        };
        let left = std::mem::replace(&mut self.last, next);
        let last_opening = self.last_opening.and(left.lines.len() as u64);
        self.full.push(left);
        self.go_on(last_opening)
    }

    fn write(&mut self, body: &Body) {
        self.head = write_line(&mut self.last.lines, self.head, self.time, body);
    }
}

#[cfg(test)]
mod tests {
    use super::super::live_leases::Effect;
    use super::super::tests::grant;
    use super::*;

    fn laid_out(leases: u128, limit: u64) -> Layout {
        let mut live = LiveLeases::default();
        for (seq, entry) in (0..).zip((0..leases).map(grant)) {
            assert!(matches!(entry.effect, Effect::LeaseLives(_)));
            live.apply(seq, &entry.effect, entry.body.as_str());
        }
        let mut layout = Layout::new(Head::EMPTY, Timestamp::UNIX_EPOCH, limit);
        layout.open(&live).unwrap();
        layout
    }

    #[test]
    fn an_opening_takes_as_many_segments_as_it_needs_and_leaves_room_in_each() {
        for (leases, segments) in [(0, 1), (10, 1), (60, 2), (400, 8)] {
            let layout = laid_out(leases, 64 * 1024);
            assert_eq!(layout.full.len() + 1, segments, "{leases}");
            let mut next = 0;
            for (nth, segment) in layout.full.iter().chain([&layout.last]).enumerate() {
                assert!(segment.lines.len() <= 32 * 1024);
                assert_eq!(segment.first, next);
                let text = std::str::from_utf8(&segment.lines).unwrap();
                let first = text.lines().next().unwrap();
                assert_eq!(first.contains(r#""leases.continued","since":0}"#), nth > 0);
                next += text.lines().count() as u64;
            }
            assert_eq!(layout.head.records, next);
            let all = layout.full.iter().chain([&layout.last]);
            let bytes: usize = all.map(|segment| segment.lines.len()).sum();
            assert_eq!(layout.last_opening.opening, bytes as u64);
            assert_eq!(
                layout.last_opening.before,
                (bytes - layout.last.lines.len()) as u64
            );
        }
    }

    #[test]
    fn a_body_longer_than_a_segment_should_be_has_one_of_its_own() {
        let layout = laid_out(5, 1000);
        assert_eq!(layout.full.len(), 4);
    }
}
