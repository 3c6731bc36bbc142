//! P1, P9: a broker killed at any instant loses no acknowledged record and honours no lease that is
//! not in the log; and between a record and its answer stands a sync.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

use broker_audit::files::{self, Tail};
use serde_json::Value;
use support::broker::MANY_LEASES;
use support::{Home, TestBroker, canary, http, kills, needs, strace, wait};

const ASK: &str = r#"{"purpose":"label-sync"}"#;
const ROUNDS: usize = 100;
const CLIENTS: usize = 4;

/// Asks for one lease after the other until the broker is gone; reports each that it was given.
fn take_leases(socket: &Path, taken: &Sender<String>) {
    // The kill may come before the connection.
    let Some(mut stream) = http::try_connect(socket) else {
        return;
    };
    let request = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{ASK}",
        ASK.len()
    );
    while stream.write_all(request.as_bytes()).is_ok() {
        let Some(answer) = http::read_answer(&mut stream) else {
            return;
        };
        assert_eq!(answer.status, 201, "{answer:?}");
        let lease = answer.json()["lease"].as_str().unwrap().to_owned();
        if taken.send(lease).is_err() {
            return;
        }
    }
}

/// Lets clients take leases until `enough` were acknowledged, then kills the broker amid the rest.
fn kill_under_load(broker: TestBroker, enough: usize) -> (Home, Vec<String>) {
    let socket = broker.socket();
    let (taken, reports) = mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (socket, taken) = (socket.clone(), taken.clone());
            thread::spawn(move || take_leases(&socket, &taken))
        })
        .collect();
    drop(taken);
    let mut leases: Vec<String> = reports.iter().take(enough).collect();
    let home = broker.kill();
    for client in clients {
        client.join().unwrap();
    }
    leases.extend(reports.iter());
    (home, leases)
}

fn granted(home: &Home) -> BTreeSet<String> {
    home.records()
        .iter()
        .filter(|line| line.contains(r#""kind":"lease.granted""#))
        .map(|line| {
            let (_, rest) = line.split_once(r#""lease":""#).unwrap();
            rest.split('"').next().unwrap().to_owned()
        })
        .collect()
}

fn listed(broker: &TestBroker) -> BTreeSet<String> {
    let answer = http::request(&broker.socket(), "GET", "/v1/leases", "").json();
    let leases = answer["leases"].as_array().unwrap();
    let id = |lease: &Value| lease["lease"].as_str().unwrap().to_owned();
    leases.iter().map(id).collect()
}

/// From 1 to 40, another one each round, the same in each run.
fn some(round: usize) -> usize {
    let mixed = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 32).unwrap() % 40 + 1
}

#[test]
fn p9_killed_under_load_nothing_acknowledged_is_lost() {
    let home = Home::ready();
    home.config(MANY_LEASES);
    let mut broker = home.start();
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
    let mut acknowledged = BTreeSet::new();
    for round in kills::of(ROUNDS) {
        let (home, leases) = kill_under_load(broker, some(round));
        acknowledged.extend(leases);
        broker = home.start();
        let (granted, listed) = (granted(&broker.home), listed(&broker));
        assert!(
            acknowledged.is_subset(&listed),
            "round {round}: an acknowledged lease is gone"
        );
        assert!(
            listed.is_subset(&granted),
            "round {round}: a lease without its record"
        );
    }
    assert!(
        acknowledged.len() * kills::step() >= 1000,
        "{}",
        acknowledged.len()
    );
    let home = broker.stop();
    let records = home.records().len() as u64;
    let verified =
        files::verify(std::slice::from_ref(&home.places.audit), Tail::Closed, 1).unwrap();
    assert_eq!(verified.report.records(), records);
    home.ctl(&["audit", "verify"]).success();
}

/// `strace` on a running broker, attached to all its threads.
pub(crate) struct SystemCalls {
    tracer: Child,
    file: PathBuf,
}

impl SystemCalls {
    pub(crate) fn of(broker: &TestBroker) -> Self {
        let file = broker.home.path().join("system-calls");
        let tracer = Command::new("strace")
            .args(["-f", "-s", "65536", "-e"])
            .arg("trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg")
            .arg("-o")
            .arg(&file)
            .args(["-p", &broker.pid().to_string()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = broker.pid();
        wait::until(|| strace::is_traced(pid));
        Self { tracer, file }
    }

    /// Everything seen, one line an event, once the traced process has ended.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.tracer.wait().unwrap();
        let text = fs::read(&self.file).unwrap();
        String::from_utf8(text)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Where a call that began at line `from` was done: `strace` splits one that another interrupts.
fn done(calls: &[String], from: usize) -> usize {
    if !calls[from].ends_with("<unfinished ...>") {
        return from;
    }
    let thread = calls[from].split(' ').next().unwrap();
    let resumed = |line: &String| line.starts_with(thread) && line.contains(" resumed>");
    from + 1 + calls.iter().skip(from + 1).position(resumed).unwrap()
}

/// Leases taken by so many clients at once, and the system calls of the broker meanwhile.
fn traced(clients: usize, each: usize) -> (Vec<String>, Vec<String>) {
    let broker = TestBroker::with_label_sync();
    let system_calls = SystemCalls::of(&broker);
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let socket = broker.socket();
            thread::spawn(move || {
                let take = |_| http::request(&socket, "POST", "/v1/leases", ASK).json();
                let lease = |answer: Value| answer["lease"].as_str().unwrap().to_owned();
                (0..each).map(take).map(lease).collect::<Vec<_>>()
            })
        })
        .collect();
    let leases = clients
        .into_iter()
        .flat_map(|c| c.join().unwrap())
        .collect();
    let _home = broker.stop();
    (leases, system_calls.end())
}

/// Whether a sync that began after this lease's record was written returned 0 before line `by`.
fn synced(calls: &[String], lease: &str, by: usize) -> bool {
    synced_by(calls, &["lease.granted", lease], by)
}

/// The same of the record with all these words.
pub(crate) fn synced_by(calls: &[String], words: &[&str], by: usize) -> bool {
    let is_record = |line: &String| words.iter().all(|word| line.contains(word));
    let record = calls.iter().position(is_record).unwrap();
    assert!(calls[record].contains("pwrite64("), "{}", calls[record]);
    (done(calls, record) + 1..by)
        .filter(|at| calls[*at].contains("fdatasync("))
        .map(|at| done(calls, at))
        .any(|returned| returned < by && calls[returned].trim_end().ends_with("= 0"))
}

#[test]
fn p1_no_token_leaves_before_its_record_is_on_disk() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let (leases, calls) = traced(1, 20);
    let holds_token = |at: &usize| calls[*at].contains(canary::CLASSIC);
    let leaving: Vec<usize> = (0..calls.len()).filter(holds_token).collect();
    assert_eq!(
        leaving.len(),
        leases.len(),
        "a token leaves once for each lease"
    );
    for (at, lease) in leaving.into_iter().zip(&leases) {
        assert!(calls[at].contains(lease.as_str()), "{}", calls[at]);
        assert!(synced(&calls, lease, at), "lease {lease}");
    }
}

#[test]
fn p9_a_sync_succeeds_between_write_and_answer() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let (leases, calls) = traced(CLIENTS, 25);
    assert_eq!(leases.len(), CLIENTS * 25);
    for lease in leases {
        let is_answer = |line: &String| line.contains("HTTP/1.1 201") && line.contains(&lease);
        let answer = calls.iter().position(is_answer).unwrap();
        assert!(synced(&calls, &lease, answer), "lease {lease}");
    }
}
