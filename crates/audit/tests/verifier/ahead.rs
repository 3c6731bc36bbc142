//! Zero bytes at the end of a segment: both verifiers leave the same ones out, and find the same break in others.

use broker_audit::segment;

use crate::python_agrees::{Cases, both, python_is_here};
use crate::sample::Log;

const STEP: usize = 1 << 20;

fn three_segments() -> Log {
    Log::of(&[3, 1, 4])
}

/// What the last segment holds before its last record.
fn before_the_last(log: &Log) -> usize {
    let lines = log.lines();
    log.0[2].1.len() - lines[lines.len() - 1].1.len()
}

/// Each of them must verify, and be found to have so many records.
fn both_accept(cases: Cases, records: u64) {
    for (what, (code, report)) in cases.both() {
        assert_eq!(code, 0, "{what}: {report}");
        let want = format!("{records} records, ");
        assert!(report.starts_with(&want), "{what}: {report}");
    }
}

#[test]
fn both_leave_out_zeros_at_the_end_of_the_last_segment() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    for zeros in [0, 1, 4096, 65_535, 65_536, 65_537, STEP, 3 * STEP + 5] {
        cases.add(format!("{zeros} zeros"), three_segments().ahead(2, zeros));
    }
    both_accept(cases, 8);

    let mut cases = Cases::default();
    for end in [65_536, STEP - 1, STEP, STEP + 1] {
        let log = three_segments().filled_to(end);
        for zeros in [0, 1, STEP] {
            let what = format!("content of {end} bytes and {zeros} zeros");
            cases.add(what, log.clone().ahead(2, zeros));
        }
    }
    both_accept(cases, 9);

    let mut cases = Cases::default();
    cases.add("the next segment", Log::of(&[3, 0]).ahead(1, STEP));
    both_accept(cases, 3);
    let mut cases = Cases::default();
    cases.add("nothing but zeros", Log::of(&[0]).ahead(0, STEP));
    both_accept(cases, 0);
}

#[test]
fn both_accept_records_at_the_end_that_became_zeros_for_nothing_without_an_anchor_shows_it() {
    if !python_is_here() {
        return;
    }
    for (records, left) in [(1, 7), (4, 4)] {
        let mut cases = Cases::default();
        for zeros in [0, 100] {
            let mut lines = three_segments().lines();
            for (_, line) in lines.iter_mut().rev().take(records) {
                line.fill(0);
            }
            let what = format!("{records} records and {zeros} zeros behind them");
            cases.add(what, three_segments().with(&lines).ahead(2, zeros));
        }
        both_accept(cases, left);
    }
}

#[test]
fn both_refuse_zeros_at_the_end_of_another_segment() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    for segment in [0, 1] {
        for zeros in [1, 4096, STEP] {
            let log = three_segments().ahead(segment, zeros);
            cases.add(format!("{zeros} behind segment {segment}"), log.clone());
            let both = log.ahead(2, STEP);
            cases.add(format!("{zeros} behind segment {segment}, and 2"), both);
        }
        let mut zeros_alone = three_segments();
        zeros_alone.0[segment].1.fill(0);
        cases.add(format!("segment {segment} all zeros"), zeros_alone);

        let mut torn = three_segments();
        torn.0[segment].1.pop();
        cases.add(format!("segment {segment} torn"), torn.ahead(segment, 9));

        let mut renamed = three_segments().ahead(segment, 9);
        renamed.0[segment].0 = segment::name(2);
        cases.add(format!("segment {segment} renamed"), renamed);
    }
    // A break before them is named first, and a doubt is settled.
    for record in 0..4 {
        let mut lines = three_segments().lines();
        lines[record].1[140] ^= 1;
        let log = three_segments().with(&lines);
        for segment in [0, 1] {
            let what = format!("record {record} changed, zeros behind segment {segment}");
            cases.add(what, log.clone().ahead(segment, 9));
        }
    }
    cases.both_refuse();
}

#[test]
fn both_refuse_zeros_amid_the_content() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let lines = three_segments().lines();
    for record in 0..lines.len() - 1 {
        for ahead in [0, 4096] {
            let mut add = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
                let mut changed = lines.clone();
                change(&mut changed[record].1);
                let what = format!("record {record} {what}, and {ahead} behind");
                cases.add(what, three_segments().with(&changed).ahead(2, ahead));
            };
            add("all zeros", &|line| line.fill(0));
            add("zeros but for its newline", &|line| {
                let end = line.len() - 1;
                line[..end].fill(0);
            });
            add("zeros at its beginning", &|line| line[..20].fill(0));
            add("zeros in the middle", &|line| line[60..100].fill(0));
            add("zeros at its end", &|line| {
                let end = line.len() - 20;
                line[end..].fill(0);
            });
            add("behind zeros", &|line| drop(line.splice(..0, [0; 5])));
        }
    }
    cases.both_refuse();
}

#[test]
fn both_refuse_a_torn_record_before_the_zeros_and_text_amid_them() {
    if !python_is_here() {
        return;
    }
    let mut cases = Cases::default();
    let log = three_segments();
    let begin = before_the_last(&log);
    let content = log.0[2].1.len();
    for ahead in [1, 4096, STEP] {
        for end in [begin + 1, begin + 70, content - 1] {
            let mut torn = log.clone();
            torn.0[2].1.truncate(end);
            cases.add(format!("cut at {end}"), torn.clone().ahead(2, ahead));
            // Some of its blocks were written and some not.
            torn.0[2].1[begin..end - 1].fill(0);
            cases.add(format!("zeros before {end}"), torn.ahead(2, ahead));
        }
        let mut written = log.clone().ahead(2, ahead);
        written.0[2].1[begin..content].fill(0);
        written.0[2].1[content - 1] = b'\n';
        cases.add("of the last record only its newline", written);
        for at in [content, content + ahead / 2, content + ahead - 1] {
            for byte in [b'x', b'\n', 0xff] {
                let mut text = log.clone().ahead(2, ahead);
                text.0[2].1[at] = byte;
                cases.add(format!("{byte} at {at}"), text);
            }
        }
        // A record that stands where none is due yet.
        let line = log.lines()[7].1.clone();
        let mut far = log.clone().ahead(2, ahead);
        far.0[2].1.extend_from_slice(&line);
        cases.add("a record behind zeros", far.ahead(2, ahead));
    }
    cases.both_refuse();
}

#[test]
fn both_take_the_last_file_named_for_the_last_segment() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments()
        .ahead(0, 9)
        .ahead(2, STEP)
        .write(dir.path());
    let export = dir.path().join("export.jsonl");
    std::fs::copy(&files[2], &export).unwrap();
    let paths = [
        vec![files[0].clone()],
        vec![export],
        vec![files[2].clone(), files[1].clone()],
        vec![files[0].clone(), files[1].clone()],
    ];
    let what = ["the first", "another name", "a piece", "an earlier one"].map(str::to_owned);
    let codes = both(&paths, &what).into_iter().map(|(code, _)| code);
    assert_eq!(codes.collect::<Vec<_>>(), [0, 0, 0, 8]);
}

#[test]
fn both_leave_out_no_more_zeros_than_a_segment_is_long() {
    if !python_is_here() {
        return;
    }
    for (zeros, want) in [(segment::MAX_BYTES, 0), (segment::MAX_BYTES + 1, 8)] {
        let dir = tempfile::tempdir().unwrap();
        let files = three_segments().write(dir.path());
        let last = std::fs::OpenOptions::new()
            .write(true)
            .open(&files[2])
            .unwrap();
        let content = last.metadata().unwrap().len();
        last.set_len(content + zeros as u64).unwrap(); // zeros that take no room
        let paths = vec![dir.path().to_owned()];
        let (code, said) = both(&[paths], &[format!("{zeros} zeros")]).remove(0);
        assert_eq!(code, want, "{said}");
    }
}
