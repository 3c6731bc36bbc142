//! How fast a log verifies, beside the hash alone: `cargo bench -p broker-audit`.
//!
//! A log of 500-byte lines is written to a temporary directory (512 MiB, or as many as the
//! environment variable `LOG_MIB` says) and read back from the page cache. Each row is measured
//! several times in one run; the worst time is printed too.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, reason = "it may stop at the first error")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::cast_precision_loss, reason = "figures with three digits")]

use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use broker_audit::chain::{Head, LineHash};
use broker_audit::files::{self, Tail};
use broker_audit::record::{Body, BrokerEvent, write_line};
use broker_audit::segment;
use broker_audit::verify::Walker;

const LINE: usize = 500;
const ROUNDS: usize = 9;

fn main() {
    let mib: u64 = std::env::var("LOG_MIB").map_or(512, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let log = [dir.path().to_owned()];
    let head = write_log(dir.path(), mib << 20);
    let bytes = head.records * LINE as u64;
    let cores = std::thread::available_parallelism().unwrap().get();
    println!("{} lines of {LINE} bytes, {cores} cores", head.records);
    println!(
        "{:<34} {:>6} {:>6} {:>6}  GB/s",
        "", "best", "median", "worst"
    );

    for threads in [1, cores] {
        measure(&format!("verify files, {threads} thread(s)"), bytes, || {
            let verified = files::verify(&log, Tail::Closed, threads).unwrap();
            assert_eq!(verified.report.head, head);
        });
    }
    println!("  most memory ever held: {}", memory());

    let segment = fs::read(dir.path().join(segment::name(0))).unwrap();
    let lines: Vec<_> = segment.split(|byte| *byte == b'\n').collect();
    measure("verify in memory, 1 thread", segment.len() as u64, || {
        black_box(Walker::whole().lines(&segment).unwrap());
    });
    let hash = || {
        for line in &lines {
            black_box(LineHash::of(black_box(line)));
        }
    };
    measure("SHA-256 of each line, 1 thread", segment.len() as u64, hash);
    let all = (segment.len() * cores) as u64;
    measure(
        &format!("SHA-256 of each line, {cores} threads"),
        all,
        || {
            std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(hash))));
        },
    );
}

fn write_log(dir: &Path, bytes: u64) -> Head {
    let mut head = Head::EMPTY;
    let mut line = Vec::new();
    while head.records * (LINE as u64) < bytes {
        let file = fs::File::create(dir.join(segment::name(head.records))).unwrap();
        let mut file = std::io::BufWriter::new(file);
        for _ in 0..segment::MAX_BYTES / LINE {
            // The number grows by a digit now and then, so the text after it gives way.
            line.clear();
            write_line(&mut line, head, time(), &body(""));
            let why = "x".repeat(LINE - line.len());
            line.clear();
            head = write_line(&mut line, head, time(), &body(&why));
            file.write_all(&line).unwrap();
        }
        file.flush().unwrap();
    }
    head
}

fn body(why: &str) -> Body {
    Body::of(&BrokerEvent::Stopped { why }).unwrap()
}

fn time() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

fn measure(what: &str, bytes: u64, run: impl Fn()) {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            run();
            bytes as f64 / begin.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    if let (Some(worst), Some(median), Some(best)) =
        (rates.first(), rates.get(ROUNDS / 2), rates.last())
    {
        println!("{what:<34} {best:>6.2} {median:>6.2} {worst:>6.2}");
    }
}

/// What the kernel says of this process.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap_or("unknown here").trim().to_owned()
}
