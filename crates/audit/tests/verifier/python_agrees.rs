//! The verifier in Python, written from the format document alone, gives the same answers.

use std::path::{Path, PathBuf};
use std::process::Command;

use broker_audit::files::{self, Failure, Tail};
use broker_audit::segment;

use crate::sample::Log;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../verifier/verify.py");

/// Without Python these tests say so and pass, unless `TOKEND_TEST_STRICT=1` asks for them.
#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
pub(crate) fn python_is_here() -> bool {
    let here = Command::new("python3").arg("--version").output().is_ok();
    let strict = std::env::var_os("TOKEND_TEST_STRICT").is_some_and(|value| value == "1");
    assert!(
        here || !strict,
        "TOKEND_TEST_STRICT=1, and python3 is missing"
    );
    if !here {
        eprintln!("SKIPPED: python3 is missing, so the second verifier was not run");
    }
    here
}

/// The exit code and what a person is told: the report, or `segment S, record N`.
pub(crate) type Answer = (i32, String);

/// Runs the script's `main` on many logs in one process, which spares hundreds of starts.
const MANY: &str = r"
import contextlib, io, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import verify
for paths in sys.argv[2:]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = verify.main(paths.split('\n'))
    print(code, out.getvalue().strip())
";

fn python(logs: &[Vec<PathBuf>]) -> Vec<Answer> {
    let joined = logs.iter().map(|paths| {
        let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        paths.join("\n")
    });
    let script = Path::new(SCRIPT).parent().unwrap();
    let mut python = Command::new("python3");
    let output = python
        .args(["-c", MANY])
        .arg(script)
        .args(joined)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    let answers = text.lines().map(|line| {
        let (code, told) = line.split_once(' ').expect(line);
        (code.parse().expect(line), place(told).to_owned())
    });
    answers.collect()
}

/// What the script says, without the words that each verifier chooses for itself.
fn place(told: &str) -> &str {
    match told.strip_prefix("verify.py: ") {
        None => told,
        Some(fault) if fault.starts_with("segment ") => fault.split_once(": ").expect(told).0,
        Some(_) => "",
    }
}

fn rust(paths: &[PathBuf]) -> Answer {
    match files::verify(paths, Tail::Closed, 2) {
        Ok(verified) => (0, verified.report.to_string()),
        Err(Failure::Broken(broken)) => (
            8,
            format!("segment {}, record {}", broken.segment, broken.record),
        ),
        Err(Failure::NoSegments(_) | Failure::Unnumbered(_)) => (8, String::new()),
        Err(_) => (1, String::new()),
    }
}

/// Asks both about each of the logs, and returns the answers they share.
pub(crate) fn both(logs: &[Vec<PathBuf>], what: &[String]) -> Vec<Answer> {
    let theirs = python(logs);
    assert_eq!(theirs.len(), logs.len());
    for ((paths, theirs), what) in logs.iter().zip(&theirs).zip(what) {
        assert_eq!(&rust(paths), theirs, "Rust left, Python right: {what}");
    }
    theirs
}

/// Logs to ask both about, each with a word on what was done to it.
#[derive(Default)]
pub(crate) struct Cases(Vec<(String, Log)>);

impl Cases {
    pub(crate) fn add(&mut self, what: impl Into<String>, log: Log) {
        self.0.push((what.into(), log));
    }

    pub(crate) fn both(self) -> Vec<(String, Answer)> {
        let root = tempfile::tempdir().unwrap();
        let (what, logs): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        let write = |(index, log): (usize, &Log)| {
            let dir = root.path().join(index.to_string());
            std::fs::create_dir(&dir).unwrap();
            log.write(&dir);
            vec![dir]
        };
        let dirs: Vec<_> = logs.iter().enumerate().map(write).collect();
        let answers = both(&dirs, &what);
        what.into_iter().zip(answers).collect()
    }

    /// Every one of them must be refused by both, at the same place.
    pub(crate) fn both_refuse(self) {
        assert!(!self.0.is_empty());
        for (what, (code, place)) in self.both() {
            assert_eq!(code, 8, "{what}");
            assert!(place.starts_with("segment "), "{what}: {place}");
        }
    }
}

fn three_segments() -> Log {
    Log::of(&[3, 1, 4])
}

#[test]
fn both_accept_what_the_broker_writes() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    for records in [&[1][..], &[3, 1, 4], &[3, 0], &[0], &[40]] {
        cases.add(format!("{records:?}"), Log::of(records));
    }
    for (what, (code, report)) in cases.both() {
        assert_eq!(code, 0, "{what}: {report}");
    }
}

#[test]
fn both_refuse_a_changed_byte_in_any_line_before_the_last() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let lines = three_segments().lines();
    for record in 0..lines.len() - 1 {
        let length = lines[record].1.len();
        // In the prefix: the brace, the number, the time, the hash, the kind. Then the rest, and
        // the newline.
        for at in [0, 13, 25, 60, 100, 130, length - 3, length - 1] {
            for byte in [b'1', b'X', b'\n', b'\r', 0, 0xff] {
                let mut changed = lines.clone();
                if std::mem::replace(&mut changed[record].1[at], byte) == byte {
                    continue;
                }
                let what = format!("byte {at} of record {record} is {byte:#x}");
                cases.add(what, three_segments().with(&changed));
            }
        }
    }
    cases.both_refuse();
}

#[test]
fn both_give_one_answer_to_a_changed_last_line() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let lines = three_segments().lines();
    let last = lines.len() - 1;
    for at in (0..lines[last].1.len()).step_by(9) {
        let mut changed = lines.clone();
        changed[last].1[at] ^= 1;
        cases.add(format!("byte {at}"), three_segments().with(&changed));
    }
    cases.both();
}

#[test]
fn both_refuse_lines_removed_swapped_inserted_or_cut_short() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let log = three_segments();
    let count = log.lines().len();
    for record in 0..count {
        if record + 1 < count {
            let mut removed = log.lines();
            removed.remove(record);
            cases.add(format!("without record {record}"), log.with(&removed));

            let mut swapped = log.lines();
            let kept = swapped[record].1.clone();
            swapped[record].1 = std::mem::replace(&mut swapped[record + 1].1, kept);
            cases.add(
                format!("record {record} after the next"),
                log.with(&swapped),
            );
        }
        for inserted in [&log.lines()[2].1, &b"\n".to_vec(), &b"{}\n".to_vec()] {
            let mut lines = log.lines();
            lines.insert(record, (lines[record].0, inserted.clone()));
            cases.add(format!("a line before record {record}"), log.with(&lines));
        }
        for cut in [1, 60, 1000] {
            let mut short = log.lines();
            let length = short[record].1.len();
            short[record].1.truncate(length.saturating_sub(cut).max(1));
            cases.add(format!("record {record} short of {cut}"), log.with(&short));
        }
    }
    cases.both_refuse();
}

#[test]
fn both_refuse_other_line_ends() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let log = three_segments();
    let mut lines = log.lines();
    for (_, line) in &mut lines {
        line.insert(line.len() - 1, b'\r');
    }
    cases.add("CRLF", log.with(&lines));
    cases.both_refuse();
}

#[test]
fn both_refuse_segments_renamed_missing_emptied_or_doubled() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    for index in 0..3 {
        for number in [1, 2, 5, 9] {
            let mut renamed = three_segments();
            renamed.0[index].0 = segment::name(number);
            cases.add(format!("segment {index} renamed to {number}"), renamed);
        }
        let mut emptied = three_segments();
        emptied.0[index].1.clear();
        if index < 2 {
            let mut gone = three_segments();
            gone.0.remove(index);
            cases.add(format!("segment {index} gone"), gone);
            cases.add(format!("segment {index} emptied"), emptied);
        }
    }
    cases.both_refuse();
}

#[test]
fn both_accept_a_cut_tail_for_nothing_in_a_log_without_an_anchor_shows_it() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let mut emptied = three_segments();
    emptied.0[2].1.clear();
    cases.add("the last segment emptied", emptied);
    let mut gone = three_segments();
    gone.0.pop();
    cases.add("the last segment gone", gone);
    for (what, (code, report)) in cases.both() {
        assert_eq!(code, 0, "{what}");
        assert!(report.starts_with("4 records, "), "{what}: {report}");
    }
}

#[test]
fn both_verify_a_piece_and_say_that_it_is_one() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments().write(dir.path());
    let named_otherwise = dir.path().join("export.jsonl");
    std::fs::copy(&files[2], &named_otherwise).unwrap();
    let ask = |paths: &[&PathBuf], what: &str| {
        let paths = paths.iter().copied().cloned().collect();
        both(&[paths], &[what.to_owned()]).remove(0)
    };
    let (code, report) = ask(&[&files[2], &files[1]], "the third and the second segment");
    assert_eq!(code, 0);
    assert!(
        report.ends_with("; starts at record 3, not from the beginning"),
        "{report}"
    );
    assert_eq!(ask(&[&named_otherwise], "another name").0, 0);
    assert_eq!(
        ask(&[&named_otherwise, &files[1]], "another name among others").0,
        8
    );
    assert_eq!(ask(&[&files[0], &files[2]], "a gap").0, 8);
    std::fs::write(&files[1], "").unwrap();
    assert_eq!(
        ask(&[&files[1], &files[2]], "the first segment emptied").0,
        8
    );
    assert_eq!(ask(&[&files[1]], "an empty segment alone").0, 0);
    std::fs::write(&files[1], three_segments().0[1].1.as_slice()).unwrap();
    assert_eq!(ask(&[&files[1], &files[1]], "the same segment twice").0, 8);
}

#[test]
fn both_refuse_what_is_no_log_or_cannot_be_read() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ask = |path: &Path| both(&[vec![path.to_owned()]], &[String::new()]).remove(0).0;
    assert_eq!(ask(dir.path()), 8, "an empty directory");
    assert_eq!(ask(&dir.path().join("audit")), 1, "no directory");
    let endless = std::fs::File::create(dir.path().join(segment::name(0))).unwrap();
    endless.set_len(segment::MAX_BYTES as u64 + 2).unwrap(); // zeros that take no room
    assert_eq!(ask(dir.path()), 8, "a line without an end");
}

#[test]
fn both_refuse_a_chained_line_longer_than_any_record_is() {
    if !python_is_here() {
        return;
    }
    let mut log = Log::of(&[1]);
    let hash = broker_audit::verify::verify(log.parts()).unwrap().head.hash;
    let opens = format!(
        r#"{{"v":1,"seq":1,"time":"2026-11-21T07:00:00.000000Z","prev":"{hash}","kind":"x","y":""#
    );
    let filler = "a".repeat(segment::MAX_BYTES - opens.len() - 1);
    log.0[0]
        .1
        .extend_from_slice(format!("{opens}{filler}\"}}\n").as_bytes());
    let mut cases = Cases::default();
    cases.add("one byte more than 64 MiB", log);
    cases.both_refuse();
}

#[test]
fn the_script_by_itself_exits_and_speaks_as_the_format_document_says() {
    if !python_is_here() {
        return;
    }
    let run = |paths: &[&Path]| {
        let output = Command::new("python3")
            .arg(SCRIPT)
            .args(paths)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let dir = tempfile::tempdir().unwrap();
    let log = three_segments();
    log.write(dir.path());
    let head = broker_audit::verify::verify(log.parts()).unwrap().head.hash;
    let good = format!("8 records, head {head}, not anchored\n");
    assert_eq!(run(&[dir.path()]), (Some(0), good));

    std::fs::remove_file(dir.path().join(segment::name(3))).unwrap();
    let (code, text) = run(&[dir.path()]);
    assert_eq!(code, Some(8));
    let told = "segment 00000000000000000004.jsonl, record 3: ";
    assert!(text.contains(told), "{text}");
    assert_eq!(run(&[]).0, Some(2));
}
