//! Zeros at the end of the last segment: when they are there, who gives way, and what else is found there.

use std::sync::Arc;
use std::time::Duration;

use broker_audit::chain::Head;

use super::super::ahead::Ahead;
use super::super::{AuditLog, segment};
use super::real_disk::options;
use super::*;

const STEP_OF: u64 = 1000;

fn rig() -> Rig {
    STEP.set(STEP_OF);
    Rig::new()
}

/// One whose thread has died.
fn without_a_thread() -> Rig {
    let (disk, clock) = (SimDisk::default(), clock());
    let noted = KnownHeads::of(None, None);
    let ahead = (LIMIT, Ahead::dead(STEP_OF));
    let (log, _) = Appender::open(disk.clone(), identity(), noted, ahead, clock.now()).unwrap();
    Rig { disk, clock, log }
}

/// Bytes of zeros behind what a segment holds.
fn zeros(disk: &SimDisk, name: &str) -> usize {
    let bytes = disk.bytes(name);
    bytes.len() - content(&bytes).len()
}

#[test]
fn records_take_the_place_of_zeros_and_the_file_grows_a_step_at_a_time() {
    let mut rig = rig();
    rig.append(&[remark("one")]).unwrap();
    let length = rig.disk.bytes(&segment::name(0)).len();
    assert!(zeros(&rig.disk, &segment::name(0)) >= 1000);
    let steps = rig.disk.steps();
    rig.append(&[remark("two")]).unwrap();
    assert_eq!(rig.disk.bytes(&segment::name(0)).len(), length);
    assert_eq!(rig.disk.steps(), steps + 2, "a write and a sync");
    for nth in 0..20 {
        rig.append(&[remark(&nth.to_string())]).unwrap();
    }
    assert!(segments(&rig.disk).len() > 1);
    for name in segments(&rig.disk) {
        assert!(rig.disk.bytes(&name).len() as u64 <= LIMIT, "{name}");
    }
    assert_eq!(recorded(&rig.disk).len(), 22);
}

#[test]
fn only_the_last_segment_of_a_running_broker_ends_in_zeros() {
    let mut rig = rig();
    for nth in 0..20 {
        rig.append(&[remark(&nth.to_string())]).unwrap();
    }
    let names = segments(&rig.disk);
    let (last, closed) = names.split_last().unwrap();
    for name in closed {
        assert_eq!(zeros(&rig.disk, name), 0, "{name}");
    }
    assert!(zeros(&rig.disk, last) > 0);
    rig.log.close(rig.clock.now());
    assert_eq!(zeros(&rig.disk, last), 0);
    let (_, opened) = rig.opened_again(rig.log.head).unwrap();
    assert!(!opened.recovered);
}

#[test]
fn a_step_that_is_late_holds_no_record_up() {
    let mut rig = without_a_thread();
    for nth in 0..40 {
        rig.append(&[grant(nth)]).unwrap();
        assert_eq!(rig.log.fault(), None);
    }
    assert!(segments(&rig.disk).len() > 3);
    assert_eq!(zeros(&rig.disk, segments(&rig.disk).last().unwrap()), 0);
    assert_eq!(records(&rig.disk).len() as u64, rig.log.head.records);
}

#[test]
fn a_step_that_fails_is_tried_again_a_second_later_and_no_record_fails_that_fits() {
    let mut rig = rig();
    rig.disk.set_largest(Some(1400));
    let mut fit = 0;
    while rig.append(&[remark("x")]).is_ok() {
        fit += 1;
    }
    assert!(fit >= 2);
    let fault = rig.log.fault().unwrap();
    assert!(fault.contains("may not write larger files"), "{fault}");
    rig.disk.set_largest(None);
    rig.recover();
    rig.append(&[remark("y")]).unwrap();
    assert_eq!(recorded(&rig.disk).len(), fit + 1);

    let mut rig = self::rig();
    rig.append(&[remark("one")]).unwrap();
    let length = |rig: &Rig| rig.disk.bytes(&segment::name(0)).len();
    let before = length(&rig);
    rig.disk.set_largest(Some(before));
    rig.append(&[remark(&"two".repeat(200))]).unwrap();
    rig.disk.set_largest(None);
    rig.append(&[remark("five")]).unwrap();
    assert_eq!(length(&rig), before, "not again within a second");
    rig.clock.advance(Duration::from_secs(1));
    rig.append(&[remark("six")]).unwrap();
    assert!(length(&rig) > before);
}

#[test]
fn what_stands_where_zeros_were_is_moved_aside_and_the_log_goes_on() {
    for at in [0, 1, 300] {
        let mut rig = rig();
        rig.append(&[remark("one")]).unwrap();
        let name = segment::name(0);
        let end = content(&rig.disk.bytes(&name)).len();
        rig.disk.tamper(&name, |bytes| bytes[end + at] = b'x');
        let mut refused = 0;
        while rig.log.fault().is_none() && refused < 10 {
            refused += usize::from(rig.append(&[remark("two")]).is_err());
        }
        assert_eq!(refused, 1, "at {at}");
        let fault = rig.log.fault().unwrap();
        assert!(fault.contains("changed by another program"), "{fault}");
        rig.recover();
        rig.append(&[remark("three")]).unwrap();
        assert_moved_aside_is_named(&rig.disk);
        let torn = rig.disk.list().unwrap().into_iter();
        let torn: Vec<_> = torn.filter(|name| name.ends_with(".torn")).collect();
        assert!(rig.disk.bytes(&torn[0]).ends_with(b"x"), "{torn:?}");
    }
}

#[test]
fn zeros_that_were_cut_off_or_added_are_noticed_and_lose_nothing() {
    for change in [
        (|bytes: &mut Vec<u8>| bytes.truncate(content(bytes).len())) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.push(0),
    ] {
        let mut rig = rig();
        rig.append(&[remark("one")]).unwrap();
        rig.disk.tamper(&segment::name(0), change);
        assert!(rig.append(&[remark("two")]).is_err());
        rig.recover();
        rig.append(&[remark("three")]).unwrap();
        let wanted = bodies(&[remark("one"), remark("three")]);
        assert_eq!(recorded(&rig.disk), wanted);
        let recovered = records(&rig.disk)
            .into_iter()
            .filter(|record| record["kind"] == "log.recovered");
        assert_eq!(recovered.count(), 1);
    }
}

#[test]
fn a_last_segment_of_nothing_but_zeros_is_one_that_was_just_made() {
    let mut rig = rig();
    rig.append(&[remark("one")]).unwrap();
    rig.log.close(rig.clock.now());
    let disk = rig.disk.after_kill();
    disk.put(&segment::name(rig.log.head.records), &[0; 5000]);
    let (again, opened) = Rig::open(&disk, rig.log.head).unwrap();
    assert!(!opened.recovered);
    assert_eq!(again.log.head, rig.log.head);
    assert_eq!(segments(&disk), [segment::name(0)]);
}

#[test]
fn a_segment_that_is_not_the_last_and_ends_in_zeros_is_damage() {
    let mut rig = rig();
    for nth in 0..20 {
        rig.append(&[grant(nth)]).unwrap();
    }
    let names = segments(&rig.disk);
    rig.disk
        .tamper(&names[names.len() - 2], |bytes| bytes.extend([0; 10]));
    let error = rig.opened_again(Head::EMPTY).err().unwrap().to_string();
    assert!(error.contains("is damaged at byte"), "{error}");
}

#[test]
fn a_thread_extends_a_real_file_while_many_write_and_closing_cuts_it() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = AuditLog::open(options(home.path()), Arc::new(clock())).unwrap();
    let file = home.path().join("audit").join(segment::name(0));
    let length = || std::fs::metadata(&file).unwrap().len();
    // More than two steps, so that some writes meet a step that is under way.
    let long = "x".repeat(20_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let Entry { body, effect } = remark(&long);
                    log.record_blocking(body, effect).unwrap();
                }
            });
        }
    });
    while length() <= 160 * 20_000 {
        let Entry { body, effect } = remark("more");
        log.record_blocking(body, effect).unwrap();
    }
    let head = log.head();
    log.close();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(content(&bytes).len(), bytes.len());
    let name = segment::name(0);
    let report = broker_audit::verify::verify([(&*name, &*bytes)]).unwrap();
    assert_eq!(report.head, head);
}
