//! Zero bytes at the end of the last segment, which were written ahead of records.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::*;

const STEP: usize = 1 << 20;

fn three_segments() -> Log {
    Log::of(&[3, 1, 4])
}

/// What is found in the log, live and closed alike.
fn either_way(log: &Log) -> Verified {
    let disk = OnDisk::of(log);
    let closed = verify(&disk.dir(), Tail::Closed, 2).unwrap();
    assert_eq!(verify(&disk.dir(), Tail::Live, 2).unwrap(), closed);
    assert_eq!(crate::verify::verify(log.parts()).unwrap(), closed.report);
    closed
}

/// Where the log breaks, live and closed alike: record, byte and how.
fn broken_either_way(log: &Log) -> (u64, u64, How) {
    let disk = OnDisk::of(log);
    let closed = broken(verify(&disk.dir(), Tail::Closed, 2));
    assert_eq!(broken(verify(&disk.dir(), Tail::Live, 2)), closed);
    assert_eq!(crate::verify::verify(log.parts()).unwrap_err(), closed);
    (closed.record, closed.byte, closed.how)
}

#[test]
fn zeros_at_the_end_of_the_log_are_no_part_of_it() {
    let want = either_way(&three_segments());
    for zeros in [1, 4095, 4096, 65_536, STEP, 3 * STEP + 1] {
        assert_eq!(either_way(&three_segments().ahead(2, zeros)), want);
    }
    let empty = either_way(&Log::of(&[3, 0]));
    assert_eq!(either_way(&Log::of(&[3, 0]).ahead(1, STEP)), empty);
    let nothing = either_way(&Log::of(&[0]).ahead(0, STEP));
    assert_eq!(nothing.report.records(), 0);
}

#[test]
fn a_record_may_end_where_a_step_or_a_block_does() {
    for end in [64 << 10, STEP, 2 * STEP] {
        for end in [end - 1, end, end + 1] {
            let log = three_segments().filled_to(end);
            let want = either_way(&log);
            assert_eq!(want.report.records(), 9);
            for zeros in [1, 65_535, STEP] {
                assert_eq!(either_way(&log.clone().ahead(2, zeros)), want);
            }
        }
    }
}

#[test]
fn a_file_alone_is_the_last_and_an_earlier_one_among_others_is_not() {
    let disk = OnDisk::of(&three_segments().ahead(0, 5).ahead(1, 5));
    for file in &disk.files[..2] {
        verify(std::slice::from_ref(file), Tail::Closed, 1).unwrap();
    }
    let both = broken(verify(&disk.files[..2], Tail::Closed, 1));
    assert_eq!((both.record, both.how), (3, How::EndsInZeros { bytes: 5 }));
}

#[test]
fn zeros_at_the_end_of_another_segment_break_the_log_behind_its_last_line() {
    let log = three_segments();
    for (segment, record) in [(0, 3), (1, 4)] {
        let end = log.0[segment].1.len() as u64;
        for zeros in [1, STEP] {
            let how = How::EndsInZeros {
                bytes: zeros as u64,
            };
            let found = broken_either_way(&log.clone().ahead(segment, zeros));
            assert_eq!(found, (record, end, how));
        }
    }
    let mut zeros_alone = log.clone();
    zeros_alone.0[1].1.fill(0);
    let bytes = log.0[1].1.len() as u64;
    let found = broken_either_way(&zeros_alone);
    assert_eq!(found, (3, 0, How::EndsInZeros { bytes }));
}

#[test]
fn what_breaks_before_the_zeros_is_what_is_named() {
    // The last record of the first segment does not name the one before it, and nothing says which is wrong.
    let mut lines = three_segments().lines();
    let at = lines[1].1.len() - 10;
    lines[1].1[at] ^= 1;
    let log = three_segments().with(&lines).ahead(0, 5);
    let (record, _, how) = broken_either_way(&log);
    assert_eq!((record, how), (1, How::ChangedOrNext { by: 2 }));

    let mut log = three_segments();
    log.0[0].1.pop();
    let (record, _, how) = broken_either_way(&log.ahead(0, 5));
    assert_eq!((record, how), (2, How::Torn));
}

#[test]
fn zeros_amid_the_content_are_no_record() {
    let log = three_segments();
    let lines = log.lines();
    for record in 0..lines.len() - 1 {
        // The whole line, its newline too.
        let mut changed = lines.clone();
        changed[record].1.fill(0);
        let (found, _, how) = broken_either_way(&log.with(&changed).ahead(2, 10));
        assert_eq!(found, record as u64);
        let ends_segment = record == 2 || record == 3;
        assert_eq!(matches!(how, How::EndsInZeros { .. }), ends_segment);
        assert_eq!(how == How::Zeros, !ends_segment, "{how}");

        // And zeros in front of it.
        let mut changed = lines.clone();
        changed[record].1.splice(..0, [0; 7]);
        let (found, _, how) = broken_either_way(&log.with(&changed));
        assert_eq!((found, how), (record as u64, How::Zeros));
    }
}

#[test]
fn any_other_byte_behind_the_content_is_content() {
    let log = three_segments().ahead(2, STEP);
    let content = three_segments().0[2].1.len();
    for at in [content, content + 1, content + 70_000, content + STEP - 1] {
        for (byte, closed) in [(b'x', How::Torn), (b'\n', How::Zeros)] {
            let mut log = log.clone();
            log.0[2].1[at] = byte;
            let disk = OnDisk::of(&log);
            let broken = broken(verify(&disk.dir(), Tail::Closed, 2));
            let want = match (at == content, byte) {
                (true, b'\n') => How::NotARecord,
                _ => closed,
            };
            assert_eq!((broken.record, broken.how), (8, want));
            // A broker may be about to write the end of it.
            if byte == b'x' {
                let live = verify(&disk.dir(), Tail::Live, 2).unwrap();
                assert_eq!(live.unfinished, (at - content) as u64 + 1);
                assert_eq!(live.report.records(), 8);
            }
        }
    }
}

#[test]
fn of_a_torn_record_before_the_zeros_its_own_bytes_are_unfinished() {
    let log = three_segments();
    let (before, last) = (log.lines()[4..7].to_vec(), log.lines()[7].1.clone());
    let before: usize = before.iter().map(|(_, line)| line.len()).sum();
    for kept in [1, 60, last.len() - 1] {
        for hole in [0, kept / 2] {
            let mut log = log.clone();
            log.0[2].1.truncate(before + kept);
            // Zeros amid a torn record do not end it.
            log.0[2].1[before + kept - 1 - hole..before + kept - 1].fill(0);
            let disk = OnDisk::of(&log.ahead(2, STEP));
            let torn = broken(verify(&disk.dir(), Tail::Closed, 2));
            assert_eq!((torn.record, torn.how), (7, How::Torn));
            assert_eq!(torn.byte, before as u64);
            let live = verify(&disk.dir(), Tail::Live, 2).unwrap();
            assert_eq!(live.unfinished, kept as u64);
            assert_eq!(live.report.records(), 7);
        }
    }
}

#[test]
fn as_many_zeros_as_a_segment_is_long_are_left_out_and_one_more_is_a_line_that_is_too_long() {
    let log = three_segments();
    let disk = OnDisk::of(&log);
    let content = log.0[2].1.len() as u64;
    let file = OpenOptions::new().write(true).open(&disk.files[2]).unwrap();
    let most = content + segment::MAX_BYTES as u64;
    file.set_len(most).unwrap(); // zeros that take no room
    let verified = verify(&disk.dir(), Tail::Closed, 2).unwrap();
    assert_eq!(verified.report.records(), 8);
    file.set_len(most + 1).unwrap();
    for tail in [Tail::Closed, Tail::Live] {
        let broken = broken(verify(&disk.dir(), tail, 2));
        assert_eq!((broken.record, broken.how), (8, How::TooLong));
    }
}

#[test]
fn what_replaces_zeros_after_the_log_was_listed_is_not_read() {
    let log = three_segments();
    let lines = log.lines();
    let before: usize = lines[4..6].iter().map(|(_, line)| line.len()).sum();
    // Two records of four, or two and a half.
    for half in [0, 50] {
        let mut early = log.clone();
        early.0[2].1.truncate(before + half);
        let disk = OnDisk::of(&early.ahead(2, STEP));
        let listed = list(&disk.dir()).unwrap();
        let file = OpenOptions::new().write(true).open(&disk.files[2]).unwrap();
        file.write_all_at(&log.0[2].1, 0).unwrap();
        let walk = |tail| {
            let (threads, sizes) = (2, Sizes::USUAL);
            let log = &listed;
            Walk {
                log,
                tail,
                threads,
                sizes,
            }
            .verify()
        };
        let (report, unfinished) = walk(Tail::Live).unwrap();
        assert_eq!((report.records(), unfinished), (6, half as u64));
        let closed = walk(Tail::Closed);
        if half == 0 {
            assert_eq!(closed.unwrap().0, report);
        } else {
            let torn = broken(closed);
            assert_eq!((torn.record, torn.how), (6, How::Torn));
        }
        // Nor is it missed that the zeros are cut off.
        file.set_len(log.0[2].1.len() as u64).unwrap();
        assert_eq!(walk(Tail::Live).unwrap().0, report);
    }
}

/// A broker that writes each record in two parts over zeros, some way ahead, and cuts them off before it goes on in
/// the next segment. It writes a few records for each reading of the log.
fn grow(log: &Log, dir: &Path, readings: &AtomicUsize) {
    const AHEAD: usize = 8 << 10;
    const FOR_EACH: usize = 5;
    let mut written = 0;
    for (name, bytes) in &log.0 {
        let file = File::create(dir.join(name)).unwrap();
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            while written > FOR_EACH * readings.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            written += 1;
            let (one, other) = line.split_at(at % line.len());
            let ahead = (at + line.len()).next_multiple_of(AHEAD);
            file.set_len(ahead as u64).unwrap();
            for part in [one, other] {
                file.write_all_at(part, at as u64).unwrap();
                at += part.len();
            }
        }
        file.set_len(at as u64).unwrap();
    }
}

#[test]
fn a_live_log_verifies_at_every_moment_while_records_replace_zeros() {
    let log = Log::of(&[40; 40]);
    let whole = crate::verify::verify(log.parts()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let paths = [dir.path().to_owned()];
    File::create(dir.path().join(&log.0[0].0)).unwrap();
    let (readings, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut found = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            grow(&log, dir.path(), &readings);
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            found.push(verify(&paths, Tail::Live, 2));
            readings.fetch_add(1, Ordering::SeqCst);
        }
    });
    let records = found
        .into_iter()
        .map(|found| found.unwrap().report.records());
    assert!(records.is_sorted(), "a record is gone");
    assert_eq!(verify(&paths, Tail::Closed, 2).unwrap().report, whole);
}
