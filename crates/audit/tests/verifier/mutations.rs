//! No change before the last line goes unnoticed, and the record named is the one that was changed.

use broker_audit::broken::{Broken, How};
use broker_audit::verify::{Piece, Walker, verify};
use proptest::prelude::*;

use crate::sample::Log;

fn broken(log: &Log) -> Broken {
    verify(log.parts()).expect_err("a damaged log verified")
}

/// Segment, record and line of a break.
fn place(broken: &Broken) -> (&str, u64, u64) {
    (&broken.segment, broken.record, broken.line)
}

const FIRST: &str = "00000000000000000000.jsonl";
const SECOND: &str = "00000000000000000003.jsonl";
const THIRD: &str = "00000000000000000005.jsonl";

fn three_segments() -> Log {
    Log::of(&[3, 2, 4])
}

#[test]
fn an_unbroken_log_is_reported_with_its_head_and_what_that_is_worth() {
    let report = verify(three_segments().parts()).unwrap();
    let head = report.head.hash;
    let want = format!("9 records, head {head}, not anchored");
    assert_eq!(report.to_string(), want);
}

#[test]
fn a_piece_says_where_it_starts() {
    let log = three_segments();
    let mut walker = Walker::piece();
    for (name, bytes) in log.parts().skip(1) {
        walker.segment(name).unwrap();
        assert_eq!(walker.lines(bytes), Ok(bytes.len()));
    }
    let report = walker.finish().unwrap().report();
    assert_eq!(report.head, verify(log.parts()).unwrap().head);
    let want = "; starts at record 3, not from the beginning";
    assert!(report.to_string().starts_with("6 records, "), "{report}");
    assert!(report.to_string().ends_with(want), "{report}");
}

#[test]
fn an_empty_last_segment_is_a_log_about_to_grow() {
    let log = Log::of(&[3, 0]);
    assert_eq!(verify(log.parts()).unwrap().records(), 3);
    assert_eq!(verify(Log::of(&[0]).parts()).unwrap().records(), 0);
}

#[test]
fn every_changed_byte_before_the_last_line_names_its_record() {
    let log = three_segments();
    let lines = log.lines();
    for (record, (segment, line)) in lines.iter().enumerate().take(lines.len() - 1) {
        for at in 0..line.len() - 1 {
            let mut changed = lines.clone();
            changed[record].1[at] ^= 1; // never makes or removes a newline in these lines
            let broken = broken(&log.with(&changed));
            assert_eq!(broken.record, record as u64, "byte {at}: {broken}");
            assert_eq!(broken.segment, log.0[*segment].0, "byte {at}: {broken}");
        }
    }
}

#[test]
fn a_changed_newline_names_the_record_before_or_after_it() {
    let log = three_segments();
    let lines = log.lines();
    for record in 0..lines.len() - 1 {
        let mut changed = lines.clone();
        *changed[record].1.last_mut().unwrap() = b' ';
        let broken = broken(&log.with(&changed));
        let named = broken.record - record as u64;
        assert!(named <= 1, "newline of {record}: {broken}");
    }
}

#[test]
fn two_records_in_the_last_line_are_noticed() {
    let mut log = Log::of(&[3]);
    let lines = log.lines();
    let at = lines[0].1.len() + lines[1].1.len() - 1;
    log.0[0].1[at] = b'\t';
    let broken = broken(&log);
    assert_eq!(place(&broken), (FIRST, 1, 2));
    assert_eq!(broken.how, How::TwoInOne);
}

#[test]
fn every_removed_line_is_named() {
    let log = three_segments();
    for record in 0..8 {
        let mut lines = log.lines();
        lines.remove(record);
        let broken = broken(&log.with(&lines));
        assert_eq!(broken.record, record as u64, "{broken}");
    }
}

#[test]
fn swapped_lines_are_named_by_the_first_of_them() {
    let log = three_segments();
    for (one, other) in [(0, 1), (1, 2), (2, 3), (1, 7), (7, 8)] {
        let mut lines = log.lines();
        let kept = lines[one].1.clone();
        lines[one].1 = std::mem::replace(&mut lines[other].1, kept);
        let broken = broken(&log.with(&lines));
        assert_eq!(broken.record, one as u64, "{broken}");
    }
}

#[test]
fn an_inserted_line_is_named_by_its_place() {
    let log = three_segments();
    for (at, copy) in [(0, 4), (1, 0), (4, 3), (9, 8), (9, 2)] {
        let mut lines = log.lines();
        let segment = lines[at.min(8)].0;
        lines.insert(at, (segment, lines[copy].1.clone()));
        let broken = broken(&log.with(&lines));
        assert_eq!(broken.record, at as u64, "{copy} before {at}: {broken}");
    }
    let mut lines = log.lines();
    lines.insert(4, (1, b"\n".to_vec()));
    assert_eq!(place(&broken(&log.with(&lines))), (SECOND, 4, 2));
}

#[test]
fn a_line_cut_short_is_named() {
    let log = three_segments();
    for record in 0..9 {
        let mut lines = log.lines();
        lines[record].1.truncate(40);
        let broken = broken(&log.with(&lines));
        assert_eq!(broken.record, record as u64, "{broken}");
    }
    let mut lines = log.lines();
    lines[8].1.pop();
    let broken = broken(&log.with(&lines));
    assert_eq!(
        (place(&broken), broken.how.clone()),
        ((THIRD, 8, 4), How::Torn)
    );
}

#[test]
fn segments_out_of_place_are_named() {
    let log = three_segments();
    let check = |log: Log, segment: &str, record: u64, how: How| {
        let broken = broken(&log);
        assert_eq!(
            (&*broken.segment, broken.record),
            (segment, record),
            "{broken}"
        );
        assert_eq!(broken.how, how);
    };
    let mut renamed = log.clone();
    renamed.0[1].0 = "00000000000000000004.jsonl".to_owned();
    let name = renamed.0[1].0.clone();
    check(renamed, &name, 3, How::Renamed { named: 4 });

    let mut gone = log.clone();
    gone.0.remove(1);
    check(gone, THIRD, 3, How::Gap { begins: 5 });

    let mut beginning_gone = log.clone();
    beginning_gone.0.remove(0);
    check(beginning_gone, SECOND, 0, How::Beginning { begins: 3 });

    let mut twice = log.clone();
    twice.0.insert(1, log.0[0].clone());
    check(twice, FIRST, 3, How::Overlap { begins: 0 });

    let mut emptied = log.clone();
    emptied.0[1].1.clear();
    check(emptied, THIRD, 3, How::Gap { begins: 5 });

    let mut emptied = log;
    emptied.0[0].1.clear();
    check(emptied, SECOND, 0, How::Gap { begins: 3 });
}

#[test]
fn a_piece_whose_first_segment_was_emptied_does_not_verify() {
    for (emptied, names, record) in [(0, SECOND, 0), (1, THIRD, 3)] {
        let mut log = three_segments();
        log.0[emptied].1.clear();
        let mut walker = Walker::piece();
        let walked = log.parts().skip(emptied).try_for_each(|(name, bytes)| {
            walker.segment(name)?;
            walker.lines(bytes).map(drop)
        });
        let broken = walked.unwrap_err();
        assert_eq!((&*broken.segment, broken.record), (names, record));
    }
}

#[test]
fn a_log_with_other_line_ends_is_broken() {
    let log = three_segments();
    let mut lines = log.lines();
    for (_, line) in &mut lines {
        line.insert(line.len() - 1, b'\r');
    }
    assert_eq!(broken(&log.with(&lines)).segment, FIRST);
}

#[test]
fn the_first_record_must_name_nothing_before_it() {
    let mut log = Log::of(&[1]);
    let text = String::from_utf8(log.0[0].1.clone()).unwrap();
    log.0[0].1 = text.replacen("prev\":\"0", "prev\":\"1", 1).into_bytes();
    assert_eq!(broken(&log).how, How::FirstPrev);
}

#[test]
fn what_is_said_of_a_break_fits_on_a_line_and_names_the_place() {
    let log = three_segments();
    let mut lines = log.lines();
    let at = lines[3].1.len() - 3;
    lines[3].1[at] ^= 1;
    let want = "segment 00000000000000000003.jsonl, record 3 (line 1, byte 0): was changed: \
                record 4 names another hash";
    assert_eq!(broken(&log.with(&lines)).to_string(), want);
}

proptest! {
    #[test]
    fn any_other_byte_before_the_last_line_is_noticed(
        records in proptest::collection::vec(1u64..6, 1..5),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut log = Log::of(&records);
        let last = log.lines().last().map_or(0, |(_, line)| line.len());
        let total: usize = log.0.iter().map(|(_, bytes)| bytes.len()).sum();
        prop_assume!(total > last);
        let mut at = at.index(total - last);
        let mut record = 0;
        for (_, line) in log.lines() {
            if at < line.len() { break; }
            at -= line.len();
            record += 1;
        }
        let mut lines = log.lines();
        let old = std::mem::replace(&mut lines[record].1[at], byte);
        prop_assume!(old != byte);
        log = log.with(&lines);
        let named = broken(&log).record;
        if old == b'\n' || byte == b'\n' {
            prop_assert!(named == record as u64 || named == record as u64 + 1, "{named}");
        } else {
            prop_assert_eq!(named, record as u64);
        }
    }

    #[test]
    fn a_log_walked_in_pieces_is_the_log_walked_in_one_go(
        cuts in proptest::collection::vec(0usize..13, 0..6),
    ) {
        let log = Log::of(&[12]);
        let lines = log.lines();
        let mut cuts = cuts;
        cuts.extend([0, lines.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| {
            let bytes: Vec<u8> = lines[cut[0]..cut[1]].iter().flat_map(|(_, l)| l.clone()).collect();
            let mut walker = Walker::piece();
            walker.lines(&bytes).unwrap();
            walker.finish().unwrap()
        });
        let joined = pieces.into_iter().try_fold(Piece::EMPTY, Piece::join).unwrap();
        prop_assert_eq!(joined.report(), verify(log.parts()).unwrap());
    }

    #[test]
    fn the_way_the_bytes_are_brought_makes_no_difference(
        portions in proptest::collection::vec(1usize..700, 1..40),
    ) {
        let log = Log::of(&[9]);
        let bytes = &log.0[0].1;
        let mut walker = Walker::whole();
        let (mut done, mut brought) = (0, 0);
        for portion in portions.iter().cycle() {
            brought = (brought + portion).min(bytes.len());
            done += walker.lines(&bytes[done..brought]).unwrap();
            if brought == bytes.len() { break; }
        }
        prop_assert_eq!(done, bytes.len());
        prop_assert_eq!(walker.finish().unwrap().report(), verify(log.parts()).unwrap());
    }
}
