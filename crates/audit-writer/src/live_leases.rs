//! Which leases the log itself says are live, as the bodies of their own records.
//!
//! A segment opens with them (`leases.open`), so a start reads the last segment only. Where they do not
//! fit into one, or would be written again and again, the next segment goes on (`leases.continued`), and
//! a start reads from the one where they begin. The bodies are kept to the byte because each carries a
//! MAC: whoever rebuilds leases checks it, and nothing here could make one.
//!
//! Not here: ends by time. A lease is live in the log until a record ends it.

use std::collections::BTreeMap;

use broker_audit::record::{Body, LeaseEvent};
use broker_protocol::names::LeaseId;

/// What a record does to the live leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The record's own body holds all that is needed to honour this lease: `lease.granted`,
    /// `lease.renewed`.
    LeaseLives(LeaseId),
    /// The record's own body adds what the lease's grant could not name yet: `lease.issued`.
    LeaseIssued(LeaseId),
    /// The lease is over: `lease.revoked`, `lease.expired`, `lease.failed`.
    LeaseEnds(LeaseId),
}

impl Effect {
    /// What records of this kind do to the lease they name; `None` if that is nothing.
    pub(super) fn of_kind(kind: &str) -> Option<fn(LeaseId) -> Self> {
        match kind {
            "lease.granted" | "lease.renewed" => Some(Self::LeaseLives),
            "lease.issued" => Some(Self::LeaseIssued),
            "lease.revoked" | "lease.expired" | "lease.failed" => Some(Self::LeaseEnds),
            _ => None,
        }
    }
}

/// A lease that no record has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLease {
    /// The record that grants it, or prolonged it last.
    pub lives: LeaseRecord,
    /// Every `lease.issued` since: at most one, but of a `proxy` lease one each time its value was opened
    /// again. Which are genuine, whoever checks the MAC can tell, so that a forged one displaces no
    /// genuine one.
    pub issued: Vec<LeaseRecord>,
}

impl LiveLease {
    /// What its records take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let records = std::iter::once(&self.lives).chain(&self.issued);
        records.map(|record| record.body.len()).sum()
    }
}

/// A record of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its number. No MAC covers it, and it is only shown.
    pub seq: u64,
    /// Its body, MAC included.
    pub body: Box<str>,
}

/// Live leases by id, in its order, so that the same leases always make the same lines.
#[derive(Debug, Default)]
pub(super) struct LiveLeases(BTreeMap<LeaseId, LiveLease>);

/// Bodies in one `leases.open`: keeps a line near 64 KiB, as long as they are short.
const PART: usize = 64;

/// The longest `leases.open` that holds more than one body, in bytes; shorter in segments of less than
/// four times that.
pub(super) const PART_BYTES: u64 = 1 << 20;

impl LiveLeases {
    /// Takes in a durable record.
    pub(super) fn apply(&mut self, seq: u64, effect: &Effect, body: &str) {
        let record = || LeaseRecord {
            seq,
            body: body.into(),
        };
        match effect {
            Effect::Nothing => {}
            Effect::LeaseLives(lease) => {
                let live = LiveLease {
                    lives: record(),
                    // A renewal names all that was issued before it.
                    issued: Vec::new(),
                };
                self.0.insert(lease.clone(), live);
            }
            Effect::LeaseIssued(lease) => {
                if let Some(live) = self.0.get_mut(lease) {
                    live.issued.push(record());
                }
            }
            Effect::LeaseEnds(lease) => {
                self.0.remove(lease);
            }
        }
    }

    pub(super) fn contains(&self, lease: &LeaseId) -> bool {
        self.0.contains_key(lease)
    }

    /// All of them, by lease id.
    pub(super) fn all(&self) -> Vec<LiveLease> {
        self.0.values().cloned().collect()
    }

    /// The records that say which leases are live: at least one, so that every segment says where it
    /// stands. None is longer than `most` bytes, unless a single body is.
    pub(super) fn opening(&self, most: u64) -> Result<Vec<Body>, serde_json::Error> {
        let leases = self.0.values();
        let records = leases.flat_map(|live| std::iter::once(&live.lives).chain(&live.issued));
        let mut parts: Vec<Vec<&LeaseRecord>> = vec![Vec::new()];
        let mut bytes = 0;
        for record in records {
            let length = quoted(&record.body);
            let full = parts.last().is_some_and(|part| {
                part.len() == PART || (!part.is_empty() && bytes + length > most)
            });
            if full {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += length;
            if let Some(part) = parts.last_mut() {
                part.push(record);
            }
        }
        let count = parts.len() as u64;
        (1..)
            .zip(parts)
            .map(|(part, records)| {
                Body::of(&LeaseEvent::Open {
                    part,
                    parts: count,
                    seqs: records.iter().map(|record| record.seq).collect(),
                    leases: records.iter().map(|record| (*record.body).into()).collect(),
                })
            })
            .collect()
    }
}

/// Bytes of a body as a string in JSON, with its number. Control characters are escaped already.
fn quoted(body: &str) -> u64 {
    let escaped = body.bytes().filter(|byte| b"\"\\".contains(byte)).count();
    (body.len() + escaped + AROUND) as u64
}

/// Quotes, a comma, and a number with its own.
const AROUND: usize = 24;

#[cfg(test)]
mod tests {
    use broker_audit::chain::Head;
    use broker_audit::record::write_line;

    use super::super::appender::Entry;
    use super::super::replay::Replay;
    use super::super::segment::Walk;
    use super::super::tests::{end, grant, issue, lease};
    use super::*;

    fn replay(bodies: &[Body]) -> Option<Replay> {
        let (mut bytes, mut head) = (Vec::new(), Head::EMPTY);
        for body in bodies {
            head = write_line(
                &mut bytes,
                head,
                "2026-11-21T07:00:00Z".parse().unwrap(),
                body,
            );
        }
        let mut replay = Replay::default();
        let mut walk = Walk::from(Head::EMPTY, &bytes);
        walk.try_for_each(|line| replay.take(&line))?;
        replay.opened().then_some(replay)
    }

    fn of(entries: &[Entry]) -> LiveLeases {
        let mut live = LiveLeases::default();
        for (seq, entry) in (7..).zip(entries) {
            live.apply(seq, &entry.effect, entry.body.as_str());
        }
        live
    }

    #[test]
    fn an_opening_reads_back_to_the_byte_however_many_parts_it_has() {
        for count in [0, 1, 64, 65, 200] {
            let live = of(&(0..count).map(grant).collect::<Vec<_>>());
            let opening = live.opening(PART_BYTES).unwrap();
            assert_eq!(opening.len() as u128, count.div_ceil(64).max(1));
            assert_eq!(replay(&opening).unwrap().live.all(), live.all());
            // Not opened until the last part is there, nor without the first.
            assert!(replay(&opening[..opening.len() - 1]).is_none());
            assert!(replay(&opening[1..]).is_none());
        }
    }

    #[test]
    fn what_was_issued_goes_with_its_lease_also_where_a_part_ends_between_them() {
        let granted = (0..200).map(grant);
        let issued = (0..200).filter(|bits| bits % 3 == 0).map(issue);
        let live = of(&granted.chain(issued).collect::<Vec<_>>());
        let opening = live.opening(PART_BYTES).unwrap();
        assert_eq!(opening.len(), 267_usize.div_ceil(64));
        let read = replay(&opening).unwrap().live.all();
        assert_eq!(read, live.all());
        assert_eq!(
            read.iter().filter(|live| live.issued.len() == 1).count(),
            67
        );
    }

    #[test]
    fn an_end_that_an_opening_lists_ends_nothing() {
        let mut live = of(&[grant(7)]);
        let alone = live.all();
        // Listed before the lease that it names, and after it.
        for bits in [0, u128::MAX] {
            let place = Effect::LeaseLives(lease(bits));
            live.apply(9, &place, end(7).body.as_str());
        }
        let opening = live.opening(PART_BYTES).unwrap();
        assert_eq!(replay(&opening).unwrap().live.all(), alone);
    }

    #[test]
    fn no_part_is_longer_than_it_may_be_but_for_a_single_body() {
        let live = of(&(0..50).map(grant).collect::<Vec<_>>());
        for most in [1, 700, 2000, 10_000] {
            let opening = live.opening(most).unwrap();
            for part in &opening {
                let bodies = part.as_str().matches("lease.granted").count();
                assert!(bodies == 1 || part.as_str().len() as u64 <= most + 100);
            }
            assert_eq!(replay(&opening).unwrap().live.all(), live.all());
        }
    }

    #[test]
    fn every_issued_record_of_a_live_lease_is_kept_and_of_no_other() {
        let forged = Entry {
            body: issue(7).body.with_mac(&[1; 32]),
            ..issue(7)
        };
        let entries = [issue(7), grant(7), forged, issue(7), issue(8)];
        let live = of(&entries).all();
        let [only] = &live[..] else {
            panic!("of two leases one was granted");
        };
        let seqs = only.issued.iter().map(|issued| issued.seq);
        assert_eq!(seqs.collect::<Vec<_>>(), [9, 10]);
    }

    #[test]
    fn an_end_takes_a_lease_out_and_a_renewal_puts_the_newer_body_in_and_names_what_was_issued() {
        let renewed = grant(7).body.with_mac(&[1; 32]);
        let mut live = of(&[grant(7), issue(7)]);
        live.apply(11, &grant(7).effect, renewed.as_str());
        let body = renewed.as_str().into();
        let lives = LeaseRecord { seq: 11, body };
        let issued = Vec::new();
        assert_eq!(live.all(), [LiveLease { lives, issued }]);
        let mut records = live.opening(PART_BYTES).unwrap();
        records.push(end(7).body);
        assert!(replay(&records).unwrap().live.all().is_empty());
        assert!(!live.contains(&lease(8)));
    }
}
