//! For tests of several crates: proofs that a record is durable, each of a real record in a log of its own,
//! and whether a process is gone.
//!
//! A proof has one maker, the audit log's writer, and no feature that a build of the workspace could turn on
//! adds a second. So tests write a record too.
//!
//! Only `[dev-dependencies]` name this crate.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests use it, and a test should fail where its set-up does"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::{Body, BrokerEvent};
use broker_audit_writer::{
    AuditLog, Effect, Export, LogIdentity, Options, Recorded, SEGMENT_LIMIT, Use,
};
use broker_clock::ManualClock;
use tokio::time::timeout;

/// Returns the proof that a use of this secret was recorded.
#[must_use]
pub fn recorded(secret: &str, version: Option<u64>) -> Recorded<Use> {
    let usage = Use {
        secret: secret.parse().unwrap(),
        version,
    };
    in_a_log(async move |log, body| log.record_use(usage, body, Effect::Nothing).await.unwrap())
}

/// Returns the proof that bytes with this SHA-256 were recorded before they leave.
#[must_use]
pub fn recorded_export(sha256: String) -> Recorded<Export> {
    let export = Export { sha256 };
    in_a_log(async move |log, body| log.record_export(export, body).await.unwrap())
}

/// Returns once the process no longer runs; a zombie counts as gone.
pub async fn gone(pid: &str) {
    let proc = Path::new("/proc").join(pid.trim());
    let zombie = |stat: String| stat.contains(") Z ");
    let ended = async {
        while proc.exists() && !fs::read_to_string(proc.join("stat")).is_ok_and(zombie) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = timeout(Duration::from_secs(30), ended).await;
    ended.expect("it still runs");
}

/// On a thread of its own, for a test may run within a runtime already.
fn in_a_log<T: Send + 'static>(
    record: impl AsyncFnOnce(&AuditLog, Body) -> T + Send + 'static,
) -> T {
    let recording = move || {
        // In memory where there is such a place: a log of its own costs several syncs.
        let shared_memory = Path::new("/dev/shm");
        let directory = match shared_memory.is_dir() {
            true => tempfile::tempdir_in(shared_memory),
            false => tempfile::tempdir(),
        };
        let directory = directory.unwrap();
        let options = Options {
            dir: directory.path().join("audit"),
            read_group: None,
            identity: LogIdentity {
                log_id: "00112233445566778899aabbccddeeff".to_owned(),
                public_key: "a key of a test".to_owned(),
            },
            noted: None,
            authenticated: None,
            ahead: true,
            segment_limit: SEGMENT_LIMIT,
        };
        let clock = ManualClock::at("2026-11-30T07:00:00Z".parse().unwrap());
        let (log, _opened) = AuditLog::open(options, Arc::new(clock)).unwrap();
        let body = Body::of(&BrokerEvent::Stopped { why: "a test" }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(record(&log, body))
    };
    std::thread::spawn(recording).join().unwrap()
}
