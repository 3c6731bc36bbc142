use proptest::prelude::*;

use super::*;
use crate::broken::How;

#[path = "../../../tests/verifier/sample.rs"]
mod sample;
use sample::Log;

mod ahead;

fn verify_in_portions(
    paths: &[PathBuf],
    tail: Tail,
    threads: usize,
    sizes: Sizes,
) -> Result<Report, Failure> {
    let walk = Walk {
        log: &list(paths)?,
        tail,
        threads,
        sizes,
    };
    walk.verify().map(|(report, _)| report)
}

fn broken(verified: Result<impl std::fmt::Debug, Failure>) -> Broken {
    match verified.unwrap_err() {
        Failure::Broken(broken) => broken,
        other => panic!("{other}"),
    }
}

/// A log in a directory that goes away with the test.
struct OnDisk {
    dir: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl OnDisk {
    fn of(log: &Log) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = log.write(dir.path());
        Self { dir, files }
    }

    fn dir(&self) -> [PathBuf; 1] {
        [self.dir.path().to_owned()]
    }
}

#[test]
fn a_directory_is_verified_whole_and_names_what_it_did_not_look_at() {
    let log = Log::of(&[3, 2, 4]);
    let disk = OnDisk::of(&log);
    let torn = disk.dir.path().join("00000000000000000003.jsonl.512.torn");
    std::fs::write(&torn, "half a rec").unwrap();
    let verified = verify(&disk.dir(), Tail::Closed, 2).unwrap();
    assert_eq!(verified.report, crate::verify::verify(log.parts()).unwrap());
    assert_eq!(verified.ignored, [torn]);
}

#[test]
fn files_may_be_a_piece_and_come_in_any_order_but_a_directory_may_not() {
    let disk = OnDisk::of(&Log::of(&[3, 2, 4]));
    let piece = [disk.files[2].clone(), disk.files[1].clone()];
    let report = verify(&piece, Tail::Closed, 2).unwrap().report;
    assert_eq!((report.first, report.records()), (3, 6));

    std::fs::remove_file(&disk.files[0]).unwrap();
    let broken = broken(verify(&disk.dir(), Tail::Closed, 2));
    assert_eq!(
        (broken.record, broken.how),
        (0, How::Beginning { begins: 3 })
    );
}

#[test]
fn one_file_may_have_any_name_but_not_among_others() {
    let log = Log::of(&[5]);
    let disk = OnDisk::of(&log);
    let export = disk.dir.path().join("export.jsonl");
    std::fs::copy(&disk.files[0], &export).unwrap();
    let report = verify(std::slice::from_ref(&export), Tail::Closed, 1);
    assert_eq!(report.unwrap().report.records(), 5);
    let both = verify(&[export, disk.files[0].clone()], Tail::Closed, 1);
    assert!(matches!(both, Err(Failure::Unnumbered(_))), "{both:?}");
}

#[test]
fn a_log_that_is_not_there_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let empty = verify(&[dir.path().to_owned()], Tail::Closed, 1);
    assert!(matches!(empty, Err(Failure::NoSegments(_))), "{empty:?}");
    let missing = verify(&[dir.path().join("audit")], Tail::Closed, 1);
    assert!(
        matches!(missing, Err(Failure::Unreadable { .. })),
        "{missing:?}"
    );
    std::fs::create_dir(dir.path().join(segment::name(0))).unwrap();
    let no_file = verify(&[dir.path().to_owned()], Tail::Closed, 1);
    assert!(
        matches!(no_file, Err(Failure::Unreadable { .. })),
        "{no_file:?}"
    );
}

#[test]
fn a_record_on_its_way_is_no_fault_of_a_live_log() {
    let mut log = Log::of(&[3, 4]);
    log.0[1].1.extend_from_slice(br#"{"v":1,"seq":7,"ti"#);
    let disk = OnDisk::of(&log);
    let verified = verify(&disk.dir(), Tail::Live, 2).unwrap();
    assert_eq!((verified.report.records(), verified.unfinished), (7, 18));
    let torn = broken(verify(&disk.dir(), Tail::Closed, 2));
    assert_eq!((torn.record, torn.how), (7, How::Torn));

    // Only the last segment of a live log is being written to.
    let mut log = Log::of(&[3, 4]);
    log.0[0].1.pop();
    let torn = broken(verify(&OnDisk::of(&log).dir(), Tail::Live, 2));
    assert_eq!((torn.record, torn.how), (2, How::Torn));
}

#[test]
fn a_line_longer_than_a_segment_is_refused_without_reading_on() {
    let log = Log::of(&[2]);
    let disk = OnDisk::of(&log);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&disk.files[0])
        .unwrap();
    file.set_len(3 * segment::MAX_BYTES as u64).unwrap(); // zeros that take no room
    for tail in [Tail::Closed, Tail::Live] {
        let broken = broken(verify(&disk.dir(), tail, 2));
        assert_eq!((broken.record, broken.how), (2, How::TooLong));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn threads_and_portions_do_not_change_the_answer(
        records in proptest::collection::vec(0u64..6, 1..5),
        threads in 1usize..4,
        cut in 1u64..2000,
        block in 1usize..2000,
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        lost in proptest::option::of(any::<prop::sample::Index>()),
        ahead in proptest::option::of((any::<prop::sample::Index>(), 1usize..3000)),
        live in any::<bool>(),
    ) {
        let mut log = Log::of(&records);
        // Two segments with the same first record cannot lie in one directory.
        log.0.dedup_by(|after, before| after.0 == before.0 && { before.1 = after.1.clone(); true });
        if let Some((at, byte)) = damage {
            let segment = at.index(log.0.len());
            let bytes = &mut log.0[segment].1;
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if let Some(lost) = lost {
            let mut lines = log.lines();
            if !lines.is_empty() {
                lines.remove(lost.index(lines.len()));
            }
            log = log.with(&lines);
        }
        if let Some((segment, zeros)) = ahead {
            log = log.clone().ahead(segment.index(log.0.len()), zeros);
        }
        let disk = OnDisk::of(&log);
        let sizes = Sizes { cut, block };
        let tail = if live { Tail::Live } else { Tail::Closed };
        let want = crate::verify::verify(log.parts());
        match (want, verify_in_portions(&disk.dir(), tail, threads, sizes)) {
            (Ok(want), Ok(got)) => prop_assert_eq!(want, got),
            (Err(Broken { how: How::Torn, record, .. }), Ok(got)) if live => {
                prop_assert_eq!(got.head.records, record);
            }
            (Err(want), Err(Failure::Broken(got))) => prop_assert_eq!(want, got),
            (want, got) => prop_assert!(false, "{want:?} but {got:?}"),
        }
    }
}
