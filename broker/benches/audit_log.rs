//! One durable record, and many at once, beside what the disk itself takes in the same run.
//!
//! `taskset -c 0 cargo bench -p broker --bench audit_log` for latency (waking an idle core hides the
//! rest), without `taskset` for throughput. `TMPDIR` chooses the device; a tmpfs measures nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark: it prints, takes the time, and stops at the first error"
)]

mod print;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use broker_audit::chain::Head;
use broker_audit::record::{Body, Caller, Lease, LeaseEvent, write_line};
use broker_audit_writer::{AuditLog, Effect, LogIdentity, Options, SEGMENT_LIMIT};
use broker_clock::SystemClock;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::print::{micros, print_latency, timed};

/// Records appended one after the other.
const ALONE: usize = 5000;
/// Concurrent writers, and records of each.
const WRITERS: usize = 64;
const EACH: usize = 4000;

fn main() {
    let home = tempfile::tempdir().unwrap();
    alone(home.path());
    together(home.path());
    start(home.path());
}

/// Takes turns with the bare disk, so that both see the same weather.
fn alone(home: &Path) {
    let line = line();
    let raw = File::create(home.join("raw")).unwrap();
    let written = File::create(home.join("raw-ahead")).unwrap();
    written
        .write_all_at(&vec![0; ALONE * line.len()], 0)
        .unwrap();
    written.sync_all().unwrap();
    let grows = open(&home.join("alone"), None, false);
    let ahead = open(&home.join("alone-ahead"), None, true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let group = Arc::new(Bare::default());
    let writer = group.writer(File::create(home.join("raw-thread")).unwrap());
    let (mut bare, mut over, mut threaded) = (Vec::new(), Vec::new(), Vec::new());
    let mut ours = [Vec::new(), Vec::new()];
    for nth in 0..ALONE {
        let at = (nth * line.len()) as u64;
        bare.push(timed(|| {
            raw.write_all_at(&line, at).unwrap();
            raw.sync_data().unwrap();
        }));
        over.push(timed(|| {
            written.write_all_at(&line, at).unwrap();
            written.sync_data().unwrap();
        }));
        let copy = line.clone();
        threaded.push(timed(|| runtime.block_on(group.append(copy))));
        for (log, ours) in [&grows, &ahead].into_iter().zip(&mut ours) {
            let body = body();
            ours.push(timed(|| {
                runtime.block_on(log.record(body, Effect::Nothing)).unwrap();
            }));
        }
    }
    println!("one writer, {} bytes a record", line.len());
    let bare = print_latency("  bare append + fdatasync", bare);
    let over = print_latency("  bare write over zeros + fdatasync", over);
    print_latency("  the first by a thread of its own", threaded);
    let [grows, ahead] = ours;
    let grows = print_latency("  audit log that grows", grows);
    let ahead = print_latency("  audit log written ahead", ahead);
    group.close();
    writer.join().unwrap();
    let share = |one: Duration, of: Duration| micros(one) / micros(of);
    println!(
        "  over zeros / growing: bare {:.2}, audit log {:.2}; growing / bare {:.2}, ahead / bare growing {:.2}",
        share(over, bare),
        share(ahead, grows),
        share(grows, bare),
        share(ahead, bare)
    );
}

fn together(home: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    println!("{WRITERS} writers, {} records", WRITERS * EACH);
    for _ in 0..3 {
        let bare = Arc::new(Bare::default());
        let writer = bare.writer(File::create(home.join("raw-group")).unwrap());
        let took = runtime.block_on(all(&bare, |bare| async move {
            bare.append(line()).await;
        }));
        bare.close();
        writer.join().unwrap();
        print_rate("  bare appends with group commit", took);

        for (what, ahead) in [
            ("  audit log that grows", false),
            ("  audit log written ahead", true),
        ] {
            let dir = home.join("together");
            let log = Arc::new(open(&dir, None, ahead));
            let took = runtime.block_on(all(&log, |log| async move {
                log.record(body(), Effect::Nothing).await.unwrap();
            }));
            log.close();
            print_rate(what, took);
            std::fs::remove_dir_all(dir).unwrap();
        }
    }
}

/// A start with a full last segment, the head noted at its end.
fn start(home: &Path) {
    let dir = home.join("start");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = Arc::new(open(&dir, None, true));
    let records = usize::try_from(SEGMENT_LIMIT).unwrap() * 95 / 100 / line().len();
    runtime.block_on(async {
        for _ in 0..records / 1000 {
            let batch: Vec<_> = (0..1000)
                .map(|_| {
                    let log = Arc::clone(&log);
                    tokio::spawn(async move { log.record(body(), Effect::Nothing).await })
                })
                .collect();
            for one in batch {
                one.await.unwrap().unwrap();
            }
        }
    });
    let noted = log.head();
    log.close();
    println!("start, {} records in the last segment", noted.records);
    for _ in 0..3 {
        let took = timed(|| drop(open(&dir, Some(noted), true)));
        println!("  {:.0} ms", micros(took) / 1000.0);
    }
}

async fn all<T, F>(
    log: &Arc<T>,
    one: impl Fn(Arc<T>) -> F + Copy + Send + Sync + 'static,
) -> Duration
where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for _ in 0..EACH {
                    one(Arc::clone(&log)).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    start.elapsed()
}

/// The least that group commit takes: no chain, no time, no look at the file.
#[derive(Default)]
struct Bare {
    waiting: Mutex<(Vec<u8>, Vec<oneshot::Sender<()>>, bool)>,
    arrived: Condvar,
}

impl Bare {
    async fn append(&self, line: Vec<u8>) {
        let (sender, receiver) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.0.extend_from_slice(&line);
            waiting.1.push(sender);
            waiting.1.len() == 1
        };
        if first {
            self.arrived.notify_one();
        }
        receiver.await.unwrap();
    }

    fn close(&self) {
        self.waiting.lock().unwrap().2 = true;
        self.arrived.notify_one();
    }

    fn writer(self: &Arc<Self>, file: File) -> std::thread::JoinHandle<()> {
        let bare = Arc::clone(self);
        std::thread::spawn(move || {
            let mut at = 0;
            loop {
                let waiting = bare.waiting.lock().unwrap();
                let idle =
                    |w: &mut (Vec<u8>, Vec<oneshot::Sender<()>>, bool)| w.1.is_empty() && !w.2;
                let mut waiting = bare.arrived.wait_while(waiting, idle).unwrap();
                let bytes = std::mem::take(&mut waiting.0);
                let callers = std::mem::take(&mut waiting.1);
                drop(waiting);
                if callers.is_empty() {
                    return;
                }
                file.write_all_at(&bytes, at).unwrap();
                file.sync_data().unwrap();
                at += bytes.len() as u64;
                for caller in callers {
                    caller.send(()).unwrap();
                }
            }
        })
    }
}

fn open(dir: &Path, noted: Option<Head>, ahead: bool) -> AuditLog {
    let options = Options {
        dir: dir.to_owned(),
        read_group: None,
        identity: LogIdentity {
            log_id: "0".repeat(32),
            public_key: "none".to_owned(),
        },
        noted,
        authenticated: None,
        ahead,
        segment_limit: SEGMENT_LIMIT,
    };
    let clock = Arc::new(SystemClock::new().unwrap());
    AuditLog::open(options, clock).unwrap().0
}

fn body() -> Body {
    let time = Timestamp::UNIX_EPOCH;
    let lease = Lease {
        lease: "0123456789abcdef0123456789abcdef".into(),
        caller: Caller {
            uid: 1000,
            gid: 1000,
            groups: Vec::new(),
            subordinate_of: None,
            pid: Some(4711),
            started: None,
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
        permissions: BTreeMap::from([("issues".into(), "write".into())]),
        reason: Some("nightly".into()),
        fallback: None,
        until: None,
        issued_at: time,
        expires_at: time,
        renewable_until: time,
        boot_id: "00000000-0000-4000-8000-000000000000".into(),
        issued_boot_us: 1,
        expires_boot_us: 2,
        renewable_boot_us: 3,
        hashed_token: Some("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".into()),
        hashed_credential: None,
    };
    let body = Body::of(&LeaseEvent::Granted(lease)).unwrap();
    body.with_mac(&[7; 32])
}

fn line() -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, Head::EMPTY, Timestamp::UNIX_EPOCH, &body());
    line
}

fn print_rate(what: &str, took: Duration) {
    let rate = (WRITERS * EACH) as f64 / took.as_secs_f64();
    println!("{what}: {rate:.0} records/s");
}
