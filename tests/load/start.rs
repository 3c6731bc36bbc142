//! From `exec` to ready, with a million records in the log.
//!
//! The log is written by the broker's own writer: leases that are granted and end, a thousand of them
//! live at a time and at the end, and a last segment that is all but full, the worst a start can meet.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::Arc;

use broker_audit::record::{Body, Caller, Lease, LeaseEvent};
use broker_audit_writer::{AuditLog, Effect, Options, SEGMENT_LIMIT};
use broker_clock::{Clock as _, SystemClock};
use broker_protocol::names::LeaseId;
use broker_vault::Vault;
use broker_vault::root_key::{KeyLocations, Keyring};
use support::Home;

use crate::lease::timed;
use crate::table::{Row, Table, highest, median};

const RECORDS: u64 = 1_000_000;
const LIVE: usize = 1000;

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let mut home = Home::ready();
    // Makes the log.
    home = home.start().stop();
    let written = fill(&home);
    let last = last_segment(&home);
    let mut bare = Vec::new();
    let mut times = Vec::new();
    for _ in 0..rounds {
        bare.push(timed(|| drop(fs::read(&last).unwrap())).as_secs_f64());
        let mut broker = None;
        times.push(timed(|| broker = Some(home.start())).as_secs_f64());
        home = broker.unwrap().kill();
    }
    let took = median(times.iter().copied());
    let size = fs::metadata(&last).unwrap().len() >> 20;
    table.push(Row {
        what: "start to ready, a million records",
        goal: "≤ 1 s".to_owned(),
        raw: format!(
            "reading the last segment ({size} MiB) {:.0} ms; {written} records",
            median(bare) * 1000.0
        ),
        median: format!("{:.0} ms", took * 1000.0),
        worst: format!("{:.0} ms", highest(times) * 1000.0),
        met: Some(took <= 1.0),
    });
}

fn last_segment(home: &Home) -> std::path::PathBuf {
    let entries = fs::read_dir(&home.places.audit).unwrap();
    entries.map(|entry| entry.unwrap().path()).max().unwrap()
}

/// Returns the number of records.
fn fill(home: &Home) -> u64 {
    let vault = Vault::open(&home.places.vault).unwrap();
    let key = vault.fetch_root_key(&KeyLocations {
        key_file: home.places.root_key.clone(),
        credentials: None,
        keyring: Keyring::SESSION,
    });
    vault.unlock(key.unwrap()).unwrap();
    let clock = Arc::new(SystemClock::new().unwrap());
    let options = Options {
        dir: home.places.audit.clone(),
        read_group: None,
        identity: vault.log_identity(),
        noted: vault.noted_head(),
        authenticated: vault.authenticated_head(),
        ahead: false,
        segment_limit: SEGMENT_LIMIT,
    };
    let (log, _) = AuditLog::open(options, Arc::clone(&clock) as _).unwrap();
    let log = Arc::new(log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut live = VecDeque::new();
    let mut number = 0;
    let full = SEGMENT_LIMIT * 95 / 100;
    while log.head().records < RECORDS || fs::metadata(last_segment(home)).unwrap().len() < full {
        let batch = (0..1000).map(|_| {
            let (body, effect) = if live.len() <= LIVE {
                number += 1;
                let lease = LeaseId::from_random(number);
                live.push_back(lease.clone());
                let body = granted(&lease, clock.as_ref());
                let mac = vault.lease_mac(body.as_str()).unwrap();
                (mac.added_to(body), Effect::LeaseLives(lease))
            } else {
                let lease = live.pop_front().unwrap();
                (expired(&lease), Effect::LeaseEnds(lease))
            };
            let log = Arc::clone(&log);
            async move { log.record(body, effect).await.unwrap() }
        });
        let batch: Vec<_> = batch.map(|record| runtime.spawn(record)).collect();
        runtime.block_on(async {
            for task in batch {
                task.await.unwrap();
            }
        });
    }
    log.close();
    vault.note(log.head(), Vec::new());
    runtime.block_on(vault.settle()).unwrap();
    log.head().records
}

fn expired(lease: &LeaseId) -> Body {
    Body::of(&LeaseEvent::Expired {
        lease: lease.as_str(),
        purpose: "label-sync",
        secret: "org-label-sync-token",
        why: "ttl",
    })
    .unwrap()
}

/// As the broker writes it, for a day, so that it is still live when the broker starts.
fn granted(lease: &LeaseId, clock: &SystemClock) -> Body {
    let now = clock.now();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let micros = |boot: std::time::Duration| u64::try_from(boot.as_micros()).unwrap();
    let hash = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    Body::of(&LeaseEvent::Granted(Lease {
        lease: lease.as_str().into(),
        caller: Caller {
            uid: 0,
            gid: 0,
            groups: vec![0],
            subordinate_of: None,
            pid: Some(4711),
            started: Some(99),
            unit: Some("label-sync.service".into()),
            user_unit: None,
            exe: Some("/usr/bin/python3.11".into()),
            sha256: None,
        },
        purpose: "label-sync".into(),
        secret: "org-label-sync-token".into(),
        version: Some(1),
        rule: "label-sync.toml#1".into(),
        deliver: "raw".into(),
        repositories: vec!["acme/*".into()],
        organization: None,
        permissions: BTreeMap::from([
            ("issues".into(), "write".into()),
            ("metadata".into(), "read".into()),
        ]),
        reason: Some("nightly".into()),
        fallback: None,
        until: None,
        issued_at: now.wall,
        expires_at: now.wall + day,
        renewable_until: now.wall + day,
        boot_id: clock.boot_id().as_str().into(),
        issued_boot_us: micros(now.boot),
        expires_boot_us: micros(now.boot + day),
        renewable_boot_us: micros(now.boot + day),
        hashed_token: Some(hash.into()),
        hashed_credential: Some(hash.into()),
    }))
    .unwrap()
}
