//! What the tests of the log share: entries, an appender that is repaired as the writer would repair
//! it, and a reading of the log that has no code in common with recovery.

mod ahead;
mod crash;
mod faults;
mod foreign_hands;
mod one_rule;
mod real_disk;
mod several_segments;
pub(super) mod sim_disk;
mod start;
mod writer;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use broker_audit::chain::{Head, LineHash};
use broker_audit::record::{
    Body, BrokerEvent, Caller, Event, Issued, Lease, LeaseEvent, SecretEvent,
};
use broker_audit::segment::content;
use broker_clock::{Clock as _, ManualClock};
use broker_protocol::names::LeaseId;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::sim_disk::SimDisk;
use super::ahead::Ahead;
use super::appender::{Appender, Entry};
use super::disk::Disk as _;
use super::live_leases::LiveLease;
use super::recovery::KnownHeads;
use super::{AuditLogError, Effect, LogIdentity, LogState};

thread_local! {
    /// How far a segment is extended at once: not at all, unless [`both_ways`] says so.
    static STEP: Cell<u64> = const { Cell::new(0) };
}

const STEPS: [u64; 2] = [0, 700];

/// Runs a test for files that grow with their records, and for those that are extended ahead of them.
fn both_ways(test: impl Fn()) {
    for step in STEPS {
        STEP.set(step);
        test();
    }
}

fn limits() -> (u64, Ahead<SimDisk>) {
    (LIMIT, Ahead::inline(STEP.get()))
}

/// Small enough for a dozen records to fill several segments.
const LIMIT: u64 = 3000;

fn identity() -> LogIdentity {
    LogIdentity {
        log_id: "0123456789abcdef0123456789abcdef".to_owned(),
        public_key: "MCowBQYDK2VwAyEA".to_owned(),
    }
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-21T07:00:00Z".parse().unwrap())
}

pub(super) fn lease(bits: u128) -> LeaseId {
    LeaseId::from_random(bits)
}

pub(super) fn grant(bits: u128) -> Entry {
    let id = lease(bits);
    let time = "2026-11-21T07:00:00Z".parse().unwrap();
    let body = Body::of(&LeaseEvent::Granted(Lease {
        version: None,
        lease: id.as_str().into(),
        caller: Caller {
            groups: Vec::new(),
            subordinate_of: None,
            started: None,
            sha256: None,
            uid: 1000,
            gid: 1000,
            pid: None,
            unit: None,
            user_unit: None,
            exe: None,
        },
        purpose: "label-sync".into(),
        secret: "org-label-sync-token".into(),
        rule: "label-sync.toml#1".into(),
        deliver: "raw".into(),
        repositories: vec!["acme/*".into()],
        organization: None,
        permissions: BTreeMap::new(),
        reason: Some("a \"quoted\" reason".into()),
        fallback: None,
        until: None,
        issued_at: time,
        expires_at: time,
        renewable_until: time,
        boot_id: "b".into(),
        issued_boot_us: 0,
        expires_boot_us: 0,
        renewable_boot_us: 0,
        hashed_token: None,
        hashed_credential: None,
    }));
    Entry {
        body: body.unwrap().with_mac(&[7; 32]),
        effect: Effect::LeaseLives(id),
    }
}

pub(super) fn issue(bits: u128) -> Entry {
    let id = lease(bits);
    let body = Body::of(&LeaseEvent::Issued(Issued {
        lease: id.as_str().into(),
        hashed_token: "abc=".into(),
        hashed_credential: "abc=".into(),
        installation: None,
        expires_at: None,
        stale_since: None,
    }));
    Entry {
        body: body.unwrap().with_mac(&[7; 32]),
        effect: Effect::LeaseIssued(id),
    }
}

pub(super) fn end(bits: u128) -> Entry {
    let id = lease(bits);
    let body = Body::of(&LeaseEvent::Expired {
        lease: id.as_str(),
        purpose: "label-sync",
        secret: "org-label-sync-token",
        why: "ttl",
    });
    Entry {
        body: body.unwrap(),
        effect: Effect::LeaseEnds(id),
    }
}

fn remark(why: &str) -> Entry {
    Entry {
        body: Body::of(&BrokerEvent::Stopped { why }).unwrap(),
        effect: Effect::Nothing,
    }
}

fn set(secret: &str, version: u64) -> Entry {
    let by = Caller {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
        subordinate_of: None,
        pid: None,
        started: None,
        unit: None,
        user_unit: None,
        exe: None,
        sha256: None,
    };
    change(&SecretEvent::Set {
        by,
        secret,
        version,
        hashed_credential: "abc=",
        expires_at: None,
        restores: None,
    })
}

fn change(event: &impl Event) -> Entry {
    Entry {
        body: Body::of(event).unwrap(),
        effect: Effect::Nothing,
    }
}

fn bodies(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| entry.body.as_str().to_owned();
    entries.iter().map(text).collect()
}

/// An appender on a simulated disk.
struct Rig {
    disk: SimDisk,
    clock: ManualClock,
    log: Appender<SimDisk>,
}

impl Rig {
    fn open(disk: &SimDisk, noted: Head) -> Result<(Self, LogState), AuditLogError> {
        let clock = clock();
        let (log, opened) = Appender::open(
            disk.clone(),
            identity(),
            KnownHeads::of(Some(noted), None),
            limits(),
            clock.now(),
        )?;
        let disk = disk.clone();
        Ok((Self { disk, clock, log }, opened))
    }

    fn new() -> Self {
        Self::open(&SimDisk::default(), Head::EMPTY).unwrap().0
    }

    fn append(&mut self, batch: &[Entry]) -> Result<u64, AuditLogError> {
        self.log.append(batch, self.clock.now())
    }

    /// Lets a second pass and has the log recover.
    fn recover(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.recover(self.clock.now());
    }

    fn opened_again(&self, noted: Head) -> Result<(Self, LogState), AuditLogError> {
        Self::open(&self.disk.after_kill(), noted)
    }
}

/// The names of the segments, in order.
fn segments(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".jsonl"));
    names
}

/// What a segment holds; zeros behind it are none of it, if it is the last.
fn text(disk: &SimDisk, name: &str) -> String {
    let mut text = String::from_utf8(disk.bytes(name)).unwrap();
    if segments(disk).last().is_some_and(|last| last == name) {
        text.truncate(text.trim_end_matches('\0').len());
    }
    text
}

/// Writes these bytes where the next record would stand.
fn put_behind(bytes: &mut Vec<u8>, what: &[u8]) {
    let end = content(bytes).len();
    bytes.resize(bytes.len().max(end + what.len()), 0);
    bytes[end..end + what.len()].copy_from_slice(what);
}

/// Every record of the log, read from the first to the last and verified.
fn records(disk: &SimDisk) -> Vec<Value> {
    let (mut prev, mut records) = (LineHash::ZERO.to_string(), Vec::new());
    for name in segments(disk) {
        assert_eq!(name, format!("{:020}.jsonl", records.len()), "no gap");
        let text = text(disk, &name);
        assert!(text.ends_with('\n'));
        let opens = records.len();
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["seq"], records.len());
            assert_eq!(record["prev"], prev, "chain at {}", records.len());
            prev = LineHash::of(line.as_bytes()).to_string();
            records.push(record);
        }
        let opens = &records[opens + usize::from(opens == 0)];
        let kind = opens["kind"].as_str().unwrap();
        assert!(
            ["leases.open", "leases.continued"].contains(&kind),
            "{name}"
        );
    }
    records
}

/// The same text that a body has, of every record that is not the log's own.
fn recorded(disk: &SimDisk) -> Vec<String> {
    let own = |kind: &str| ["log.", "leases."].iter().any(|own| kind.starts_with(own));
    let mut texts = Vec::new();
    for name in segments(disk) {
        for line in text(disk, &name).lines() {
            let (_, body) = line.split_at(line.find(r#""kind""#).unwrap());
            let kind = body.split('"').nth(3).unwrap();
            if !own(kind) {
                texts.push(body.to_owned());
            }
        }
    }
    texts
}

/// Leases that the records grant and do not end.
fn live(disk: &SimDisk) -> Vec<String> {
    let mut live = BTreeMap::new();
    for body in recorded(disk) {
        let record: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
        let Some(lease) = record["lease"].as_str() else {
            continue;
        };
        match record["kind"].as_str().unwrap() {
            "lease.granted" => drop(live.insert(lease.to_owned(), body)),
            _ => drop(live.remove(lease)),
        }
    }
    live.into_values().collect()
}

fn texts(bodies: &[Box<str>]) -> Vec<String> {
    bodies.iter().map(|body| body.to_string()).collect()
}

fn live_texts(leases: &[LiveLease]) -> Vec<String> {
    let bodies = leases.iter().map(|lease| &lease.lives.body);
    bodies.map(ToString::to_string).collect()
}

/// Every file that was moved aside is named by a record that fits it.
fn assert_moved_aside_is_named(disk: &SimDisk) {
    let records = records(disk);
    for name in disk.list().unwrap() {
        if !name.ends_with(".torn") {
            continue;
        }
        let bytes = disk.bytes(&name);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let names = |record: &&Value| {
            record["kind"] == "log.recovered"
                && record["moved_to"] == name.as_str()
                && record["bytes"] == bytes.len()
                && record["sha256"] == LineHash::from_bytes(digest).to_string()
        };
        assert!(records.iter().any(|record| names(&record)), "{name}");
    }
}
