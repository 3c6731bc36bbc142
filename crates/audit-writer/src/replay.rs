//! Rebuilds the live leases from the lines of segments that are read back.

use broker_protocol::names::LeaseId;
use serde::Deserialize;

use super::live_leases::{Effect, LiveLeases};
use super::segment::Line;

/// Rebuilds [`LiveLeases`] from the lines of one segment, or of several that go on from each other.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Live after the lines so far.
    pub(super) live: LiveLeases,
    /// Files that `log.recovered` records name, from where live leases were last listed.
    pub(super) moved_aside: Vec<String>,
    parts_seen: u64,
    parts: Option<u64>,
    /// Of this segment.
    lines: u64,
    /// The first segment goes on from one that was not read, so nothing is known of live leases until
    /// they are listed again.
    blind: bool,
}

/// The kind that a segment begins with which goes on with what an earlier one began.
pub(super) const CONTINUED: &str = "leases.continued";

#[derive(Deserialize)]
struct Lease {
    lease: LeaseId,
}

#[derive(Deserialize)]
struct KindAndLease {
    kind: String,
    lease: LeaseId,
}

#[derive(Deserialize)]
struct LeasesOpen {
    part: u64,
    parts: u64,
    seqs: Vec<u64>,
    leases: Vec<String>,
}

#[derive(Deserialize)]
struct Recovered {
    moved_to: String,
}

impl Replay {
    /// Whether every part of `leases.open` has been seen.
    pub(super) fn opened(&self) -> bool {
        self.blind || self.parts == Some(self.parts_seen)
    }

    /// Whether what is live is not known, because the segment where it is listed was not read.
    pub(super) const fn is_blind(&self) -> bool {
        self.blind
    }

    /// The lines that come next are another segment's.
    pub(super) fn next_segment(&mut self) {
        self.lines = 0;
    }

    /// Takes in the next line. `None` if the segment does not open as segments do.
    ///
    /// A lease record whose lease cannot be read is passed over: no lease comes of it, and the
    /// broker writes none such.
    pub(super) fn take(&mut self, line: &Line<'_>) -> Option<()> {
        self.lines += 1;
        if self.lines == 1 {
            return self.take_first(line);
        }
        if !self.opened() {
            return match line.kind {
                "leases.open" => self.take_opening(line),
                _ => None,
            };
        }
        if let Some(effect) = Effect::of_kind(line.kind)
            && let Ok(Lease { lease }) = serde_json::from_str(line.text)
        {
            self.live.apply(line.seq, &effect(lease), line.body);
        }
        if line.kind == "log.recovered"
            && let Ok(Recovered { moved_to }) = serde_json::from_str(line.text)
        {
            self.moved_aside.push(moved_to);
        }
        Some(())
    }

    /// The first line of a segment says whether it goes on with what was listed before it.
    fn take_first(&mut self, line: &Line<'_>) -> Option<()> {
        if line.kind == CONTINUED {
            self.blind |= self.parts_seen == 0;
            return Some(());
        }
        *self = Self {
            lines: 1,
            ..Self::default()
        };
        match line.kind {
            "log.opened" => Some(()),
            "leases.open" => self.take_opening(line),
            _ => None,
        }
    }

    fn take_opening(&mut self, line: &Line<'_>) -> Option<()> {
        let open: LeasesOpen = serde_json::from_str(line.text).ok()?;
        let parts = *self.parts.get_or_insert(open.parts);
        let follows = open.part == self.parts_seen + 1 && open.parts == parts;
        if !follows || open.seqs.len() != open.leases.len() {
            return None;
        }
        self.parts_seen = open.part;
        for (seq, body) in open.seqs.into_iter().zip(open.leases) {
            if let Ok(KindAndLease { kind, lease }) = serde_json::from_str(&format!("{{{body}"))
                && let Some(effect) = Effect::of_kind(&kind)
                // An opening lists what lives; a body of another kind in it says nothing.
                && let effect @ (Effect::LeaseLives(_) | Effect::LeaseIssued(_)) = effect(lease)
            {
                self.live.apply(seq, &effect, &body);
            }
        }
        Some(())
    }
}
