//! P6: a change of the log is found, by either verifier; and reading it is recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use broker_audit::segment::name;
use support::broker::Ran;
use support::scenes::log::content;
use support::{Home, TestBroker, needs, wait};

const ASK: &str = r#"{"purpose":"label-sync"}"#;
const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../verifier/verify.py");

/// A stopped broker whose log holds records of many kinds, in two segments.
fn a_log() -> Home {
    let broker = TestBroker::with_label_sync();
    for _ in 0..3 {
        assert_eq!(broker.lease(ASK).status, 201);
    }
    assert_eq!(broker.lease(r#"{"purpose":"nothing"}"#).status, 403);
    broker.home.ctl(&["lease", "list"]).success();
    let home = broker.kill();
    // A torn end makes the next start begin a segment.
    let last = home.places.audit.join(name(0));
    let mut bytes = content(&last);
    bytes.extend_from_slice(b"{\"v\":1,");
    fs::write(&last, bytes).unwrap();
    let broker = home.start();
    assert_eq!(broker.lease(ASK).status, 201);
    broker.stop()
}

/// The lines of a log, by segment.
type Lines = Vec<(String, Vec<Vec<u8>>)>;

fn lines(audit: &Path) -> Lines {
    let mut segments: Vec<_> = fs::read_dir(audit)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    segments.sort();
    segments
        .into_iter()
        .map(|name| {
            let bytes = content(&audit.join(&name));
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            (name, lines.map(<[u8]>::to_vec).collect())
        })
        .collect()
}

fn write(copy: &Path, log: &Lines) {
    for (name, lines) in log {
        fs::write(copy.join(name), lines.concat()).unwrap();
    }
}

fn rust(home: &Home, copy: &Path) -> Ran {
    home.ctl(&["audit", "verify", copy.to_str().unwrap()])
}

fn python(copy: &Path) -> Ran {
    Ran::of(Command::new("python3").arg("-B").arg(VERIFIER).arg(copy))
}

/// Runs the script's `main` on many logs in one process, which spares as many starts.
const MANY: &str = r"
import contextlib, io, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import verify
for path in sys.argv[2:]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = verify.main([path])
    print(code, out.getvalue().strip())
";

/// The exit code for each log, and what is said with it.
fn python_of_each(copies: &[PathBuf]) -> Vec<(i32, String)> {
    let mut python = Command::new("python3");
    let python = python
        .args(["-c", MANY])
        .arg(Path::new(VERIFIER).parent().unwrap());
    let said = Ran::of(python.args(copies)).success();
    let answers = said.lines().map(|line| {
        let (code, told) = line.split_once(' ').expect(line);
        (code.parse().unwrap(), told.to_owned())
    });
    answers.collect()
}

/// `segment S, record N` out of what a verifier says.
fn place(said: &str) -> String {
    let at = said.find("segment ").unwrap_or_else(|| panic!("{said}"));
    let place = said.split_at(at).1;
    let end = place.find([':', '(']).unwrap();
    place.split_at(end).0.trim().to_owned()
}

/// Changed copies of a log, and where each must be found out: a segment and one of these records.
struct Copies<'a> {
    home: &'a Home,
    changed: Vec<(PathBuf, String, Vec<usize>)>,
}

impl Copies<'_> {
    fn add(&mut self, log: &Lines, segment: &str, records: &[usize]) {
        let copy = self
            .home
            .path()
            .join(format!("copy-{}", self.changed.len()));
        fs::create_dir(&copy).unwrap();
        write(&copy, log);
        self.changed
            .push((copy, segment.to_owned(), records.to_vec()));
    }

    /// Both verifiers must end with 8 and name the same place.
    #[track_caller]
    fn are_found_out(&self) {
        let copies = self.changed.iter().map(|(copy, ..)| copy.clone());
        let python = python_of_each(&copies.collect::<Vec<_>>());
        assert_eq!(python.len(), self.changed.len());
        for ((copy, segment, records), (code, said)) in self.changed.iter().zip(python) {
            let rust = rust(self.home, copy);
            assert_eq!((rust.code(), code), (Some(8), 8), "{rust:?} {said}");
            let told = place(&rust.stderr);
            assert_eq!(told, place(&said));
            let wanted = |record: &usize| told == format!("segment {segment}, record {record}");
            assert!(
                records.iter().any(wanted),
                "{told}, not {segment} {records:?}"
            );
        }
    }
}

#[test]
fn p6_any_change_before_the_head_is_found() {
    if !needs::program("python3") {
        return;
    }
    let home = a_log();
    let log = lines(&home.places.audit);
    assert!(log.len() == 2 && log[0].1.len() >= 10, "{}", log[0].1.len());
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    write(&copy, &log);
    let untouched = rust(&home, &copy);
    assert_eq!(untouched.code(), Some(0), "{untouched:?}");
    assert_eq!(untouched.stdout, python(&copy).success());

    let mut copies = Copies {
        home: &home,
        changed: Vec::new(),
    };
    let mut record = 0;
    for (nth, (segment, lines)) in log.iter().enumerate() {
        for (line, bytes) in lines.iter().enumerate() {
            let last = nth + 1 == log.len() && line + 1 == lines.len();
            // One byte, at another place in each line: in its prefix, its hash, or what it says.
            let at = 7 + (record * 97) % (bytes.len() - 8);
            let mut changed = log.clone();
            changed[nth].1[line][at] ^= 1;
            if !last {
                copies.add(&changed, segment, &[record]);
            }

            // The line removed; the last one leaves a shorter log that is whole.
            let mut changed = log.clone();
            changed[nth].1.remove(line);
            if !last {
                copies.add(&changed, segment_after(&log, nth, line), &[record]);
            }

            // The line doubled.
            let mut changed = log.clone();
            changed[nth].1.insert(line, bytes.clone());
            copies.add(&changed, segment, &[record + 1]);

            // The line swapped with the next.
            if line + 1 < lines.len() {
                let mut changed = log.clone();
                changed[nth].1.swap(line, line + 1);
                copies.add(&changed, segment, &[record]);
            }
            record += 1;
        }
    }
    copies.are_found_out();
    assert_eq!(
        python(&copies.changed[0].0).code(),
        Some(8),
        "its own exit code"
    );
}

/// The segment in which the gap is seen that a removed line leaves.
fn segment_after(log: &Lines, nth: usize, line: usize) -> &str {
    let ends = line + 1 == log[nth].1.len();
    &log[nth + usize::from(ends)].0
}

#[test]
fn a_log_verifies_while_it_is_being_written() {
    let broker = TestBroker::with_label_sync();
    let socket = broker.socket();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut stream = support::http::connect(&socket);
        let mut taken = 0;
        while stopped.try_recv().is_err() && taken < 900 {
            let answer = support::http::exchange(&mut stream, "POST", "/v1/leases", ASK);
            assert_eq!(answer.status, 201);
            taken += 1;
        }
    });
    for _ in 0..20 {
        broker.home.ctl(&["audit", "verify"]).success();
    }
    stop.send(()).ok();
    writer.join().unwrap();
    broker.home.ctl(&["audit", "verify"]).success();
}

#[test]
fn the_log_is_exported_byte_for_byte_and_searched_alike_whether_the_broker_is_asked_or_its_files() {
    let broker = TestBroker::with_label_sync();
    let lease = broker.lease(ASK).json();
    let lease = lease["lease"].as_str().unwrap();
    assert_eq!(broker.lease(ASK).status, 201);
    let dir = broker.home.places.audit.display().to_string();
    let written = broker.home.records();
    let exported = broker.home.ctl(&["audit", "export"]).success();
    assert_eq!(exported.lines().collect::<Vec<_>>(), written);
    let from_files = ["audit", "export", "--to", "3", "--dir", &dir];
    let exported = broker.home.ctl(&from_files).success();
    assert_eq!(exported.lines().collect::<Vec<_>>(), written[..4]);

    for from in [&[][..], &["--dir", &dir]] {
        let search = |what: &[&str]| {
            let arguments = [&["audit", "search"], what, from].concat();
            broker.home.ctl(&arguments).success().lines().count()
        };
        assert_eq!(search(&["--lease", lease]), 1);
        assert_eq!(search(&["--kind", "lease.granted"]), 2);
        assert_eq!(search(&["--purpose", "label-sync", "--kind", "lease"]), 2);
        assert_eq!(search(&["--secret", "source-pat"]), 0);
    }
}

#[test]
fn a_reading_is_recorded_once_and_following_does_not_feed_on_itself() {
    let broker = TestBroker::with_label_sync();
    let readings = || broker.home.records_of("audit.read");
    let dir = broker.home.places.audit.display().to_string();
    let read_files = ["audit", "tail", "--dir", &dir];
    broker.home.ctl(&read_files).success();
    assert_eq!(readings().len(), 0, "files are read without the broker");
    broker.home.ctl(&["audit", "tail", "-n", "5"]).success();
    assert_eq!(readings().len(), 1);
    let uid = nix::unistd::geteuid().as_raw();
    assert_eq!(readings()[0]["by"]["uid"], uid);

    let out: PathBuf = broker.home.path().join("followed");
    let mut follow = broker.home.tokenctl();
    follow
        .args(["audit", "tail", "-f", "--json"])
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null());
    let mut follow = follow.spawn().unwrap();
    let shown = |what: &str| fs::read_to_string(&out).unwrap().matches(what).count();
    wait::until(|| shown("audit.read") > 0);
    let begun = readings().len();
    for taken in 1..=5 {
        assert_eq!(broker.lease(ASK).status, 201);
        wait::until(|| shown("lease.granted") == taken);
    }
    assert_eq!(readings().len(), begun, "going on is the same reading");
    follow.kill().unwrap();
    follow.wait().unwrap();
}
