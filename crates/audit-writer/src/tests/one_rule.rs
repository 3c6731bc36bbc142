//! What a start keeps is what verifies: the same rule for the broker's recovery and the verifier.

use broker_audit::chain::{Head, LineHash};
use broker_audit::verify::verify;
use proptest::prelude::*;
use proptest::sample::select;

use super::sim_disk::SimDisk;
use super::*;

/// Bodies after the prefix that only someone else would write, and which a verifier takes all the same.
const ODD_BODIES: &[&[u8]] = &[
    br#""kind":"new.kind","x":1}"#,
    br#""kind":"x""#,
    b"\"kind\":\"x\",\"y\":\"\xff\xfe\"}",
    b"\"kind\":\"lease.granted\",\"y\":\"\xff\"}",
    br#""kind":"x"} and more"#,
    br#""kind":"x","in":{"v":1,"seq":7}}"#,
    br#""kind":"broker.stopped","why":"SIGTERM"}"#,
];

/// And those it refuses wherever they stand.
const BAD_BODIES: &[&[u8]] = &[
    br#""kind":"X","y":1}"#,
    br#""kind":"","y":1}"#,
    br#""kinds":"x"}"#,
    br#""kind":"0123456789012345678901234567890123456789012345678901234567890123456"}"#,
];

fn line(head: Head, time: &str, body: &[u8]) -> Vec<u8> {
    let Head { records, hash } = head;
    let prefix = format!(r#"{{"v":1,"seq":{records},"time":"{time}","prev":"{hash}","#);
    [prefix.as_bytes(), body].concat()
}

const TIME: &str = "2026-11-21T07:00:00.000001Z";

/// The last segment of the log with chained lines behind it, each with one of these bodies.
fn with_lines(rig: &Rig, lines: &[(&str, &[u8])]) -> SimDisk {
    let mut head = rig.log.head;
    let mut more = Vec::new();
    for (time, body) in lines {
        let line = line(head, time, body);
        head = Head {
            records: head.records + 1,
            hash: LineHash::of(&line),
        };
        more.extend_from_slice(&line);
        more.push(b'\n');
    }
    let disk = rig.disk.after_kill();
    let last = segments(&disk).pop().unwrap();
    disk.tamper(&last, |bytes| put_behind(bytes, &more));
    disk
}

fn verifies(disk: &SimDisk) -> Result<u64, String> {
    let names = segments(disk);
    let bytes: Vec<_> = names.iter().map(|name| disk.bytes(name)).collect();
    let parts = names.iter().map(String::as_str);
    verify(parts.zip(bytes.iter().map(Vec::as_slice)))
        .map(|report| report.records())
        .map_err(|broken| broken.to_string())
}

fn log() -> Rig {
    let mut rig = Rig::new();
    for nth in 0..4 {
        rig.append(&[grant(nth), end(nth)]).unwrap();
    }
    rig
}

#[test]
fn a_chained_line_that_no_verifier_takes_is_moved_aside() {
    let rig = log();
    let mut cases: Vec<Vec<(&str, &[u8])>> = Vec::new();
    for bad in BAD_BODIES {
        cases.push(vec![(TIME, bad)]);
        cases.push(vec![(TIME, bad), (TIME, ODD_BODIES[0])]);
    }
    for time in [
        "2026-11-21T07:00:00.00000Z0",
        "2026-11-21 07:00:00.000001Z",
        "????-11-21T07:00:00.000001Z",
    ] {
        cases.push(vec![(time, ODD_BODIES[0])]);
    }
    for lines in cases {
        let disk = with_lines(&rig, &lines);
        assert!(verifies(&disk).is_err());
        let (again, opened) = Rig::open(&disk, rig.log.head).unwrap();
        assert!(opened.recovered);
        verifies(&again.disk).unwrap();
        assert_moved_aside_is_named(&again.disk);
    }
}

#[test]
fn a_chained_line_longer_than_any_record_is_moved_aside() {
    let rig = log();
    let body = format!(
        r#""kind":"x","y":"{}"}}"#,
        "a".repeat(broker_audit::segment::MAX_BYTES)
    );
    let disk = with_lines(&rig, &[(TIME, body.as_bytes())]);
    let (again, opened) = Rig::open(&disk, rig.log.head).unwrap();
    assert!(opened.recovered);
    verifies(&again.disk).unwrap();
}

#[test]
fn what_a_verifier_takes_is_kept_though_it_be_no_text_if_a_record_stands_behind_it() {
    let rig = log();
    let last = ODD_BODIES[0];
    for odd in ODD_BODIES {
        let disk = with_lines(&rig, &[(TIME, odd), (TIME, last)]);
        let records = verifies(&disk).unwrap();
        let (again, opened) = Rig::open(&disk, rig.log.head).unwrap();
        assert!(!opened.recovered, "{}", odd.escape_ascii());
        assert_eq!(verifies(&again.disk).unwrap(), records);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_was_done_to_a_log_one_that_opens_verifies(
        lines in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>()), 0..4),
        changed in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        emptied in proptest::option::of(any::<prop::sample::Index>()),
        noted in 0..3_usize,
        step in select(&STEPS),
    ) {
        STEP.set(step);
        let mut rig = log();
        let early = rig.log.head;
        rig.append(&[grant(9), remark(&"x".repeat(2000)), end(9)]).unwrap();
        rig.append(&[remark(&"y".repeat(2000))]).unwrap();
        let bodies: Vec<_> = lines.iter().map(|(which, bad)| {
            let of = if *bad { BAD_BODIES } else { ODD_BODIES };
            (TIME, of[which.index(of.len())])
        }).collect();
        let disk = with_lines(&rig, &bodies);
        let all = segments(&disk);
        let last = all.last().unwrap();
        if let Some((at, byte)) = changed {
            disk.tamper(last, |bytes| { let at = at.index(bytes.len()); bytes[at] = byte; });
        }
        if let Some(cut) = cut {
            disk.tamper(last, |bytes| { let at = cut.index(bytes.len()); bytes.truncate(at); });
        }
        if let Some(emptied) = emptied {
            disk.tamper(&all[emptied.index(all.len())], Vec::clear);
        }
        let noted = [Head::EMPTY, early, rig.log.head][noted];
        // Segments before the noted head's are not read at a start; there, damage stays.
        let untouched = emptied.is_none_or(|at| at.index(all.len()) + 1 == all.len());
        if let Ok((again, _)) = Rig::open(&disk, noted) && (untouched || noted == Head::EMPTY) {
            let verified = verifies(&again.disk);
            prop_assert!(verified.is_ok(), "{verified:?}");
            // And once more, with nothing left to be moved aside.
            let (_, opened) = again.opened_again(again.log.head).unwrap();
            prop_assert!(!opened.recovered);
        }
    }
}
