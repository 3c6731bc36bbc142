//! P1, P9: a broker killed at any instant loses no acknowledged record and honours no lease that is
//! not in the log; and between a record and its answer stands a sync.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

use broker_audit::files::{self, Tail};
use nix::unistd::Pid;
use support::{Home, TestBroker, canary, http, needs, wait};

const ASK: &str = r#"{"purpose":"label-sync"}"#;
const ROUNDS: u64 = 100;
const CLIENTS: usize = 4;

/// Asks for one lease after the other until the broker is gone; reports each that it was given.
fn take_leases(socket: &Path, taken: &Sender<String>) {
    let mut stream = http::connect(socket);
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
    let answer = broker.http("GET", "/v1/leases", "").json();
    let leases = answer["leases"].as_array().unwrap();
    let id = |lease: &serde_json::Value| lease["lease"].as_str().unwrap().to_owned();
    leases.iter().map(id).collect()
}

/// From 1 to 40, another one each round, the same in each run.
fn some(round: u64) -> usize {
    let mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 32).unwrap() % 40 + 1
}

#[test]
fn p9_a_hundred_kills_under_load_lose_no_acknowledged_lease_and_honour_no_other() {
    let home = Home::ready();
    home.config("[limits]\nleases_per_account = 1000000\n");
    let mut broker = home.start();
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
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
    assert!(acknowledged.len() >= 1000, "{}", acknowledged.len());
    let home = broker.stop();
    let records = home.records().len() as u64;
    let verified =
        files::verify(std::slice::from_ref(&home.places.audit), Tail::Closed, 1).unwrap();
    assert_eq!(verified.report.records(), records);
    home.ctl(&["audit", "verify"]).success();
}

/// `strace` on a running broker, attached to all its threads.
struct SystemCalls {
    tracer: Child,
    file: std::path::PathBuf,
}

impl SystemCalls {
    fn of(broker: &TestBroker) -> Self {
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
        wait::until(|| all_traced(pid));
        Self { tracer, file }
    }

    /// Everything seen, one line an event, once the traced process has ended.
    fn end(mut self) -> Vec<String> {
        self.tracer.wait().unwrap();
        let text = fs::read(&self.file).unwrap();
        String::from_utf8(text)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn all_traced(pid: Pid) -> bool {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .all(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status"));
            status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
        })
}

/// Where a call that began at line `from` was done: `strace` splits one that another interrupts.
fn done(calls: &[String], from: usize) -> usize {
    if !calls[from].ends_with("<unfinished ...>") {
        return from;
    }
    let thread = calls[from].split(' ').next().unwrap();
    let resumed = |line: &String| line.starts_with(thread) && line.contains(" resumed>");
    from + 1 + calls[from + 1..].iter().position(resumed).unwrap()
}

#[test]
fn p9_between_the_write_of_a_record_and_its_answer_a_sync_returned_0() {
    if !needs::program("strace") || !needs::root() {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let system_calls = SystemCalls::of(&broker);
    let socket = broker.socket();
    let (taken, reports) = mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (socket, taken) = (socket.clone(), taken.clone());
            thread::spawn(move || {
                for _ in 0..25 {
                    let lease = http::request(&socket, "POST", "/v1/leases", ASK).json();
                    taken
                        .send(lease["lease"].as_str().unwrap().to_owned())
                        .unwrap();
                }
            })
        })
        .collect();
    drop(taken);
    let leases: Vec<String> = reports.iter().collect();
    for client in clients {
        client.join().unwrap();
    }
    let _home = broker.stop();
    let calls = system_calls.end();

    assert_eq!(leases.len(), CLIENTS * 25);
    for lease in leases {
        let with = |what: &'static str| {
            let lease = &lease;
            move |line: &String| line.contains(what) && line.contains(lease.as_str())
        };
        let record = calls.iter().position(with("lease.granted")).unwrap();
        assert!(calls[record].contains("pwrite64("), "{}", calls[record]);
        let written = done(&calls, record);
        let answer = calls.iter().position(with("HTTP/1.1 201")).unwrap();
        let synced = (written + 1..answer)
            .filter(|at| calls[*at].contains("fdatasync("))
            .any(|at| {
                let returned = done(&calls, at);
                returned < answer && calls[returned].trim_end().ends_with("= 0")
            });
        assert!(
            synced,
            "lease {lease}: answered before its record was synced"
        );
        assert!(
            !calls[..written]
                .iter()
                .any(|line| line.contains(canary::CLASSIC) && line.contains(lease.as_str())),
            "lease {lease}: handed out before it was written"
        );
    }
}
