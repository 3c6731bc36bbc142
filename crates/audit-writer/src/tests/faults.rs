//! Any operation fails, fails halfway, or fails and happened anyway: what was refused is not in the
//! log, what was acknowledged is, and the log works again once the disk does.

use broker_audit::chain::Head;

use super::sim_disk::{Fault, SimDisk};
use super::*;

/// Appends everything, repairing the log after each error; returns what was acknowledged.
fn run(rig: &mut Rig, batches: &[Vec<Entry>]) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for batch in batches {
        if rig.append(batch).is_ok() {
            acknowledged.extend(bodies(batch));
        }
        for _ in 0..3 {
            if rig.log.fault().is_some() {
                rig.recover();
            }
        }
        assert_eq!(rig.log.fault(), None, "repaired");
    }
    acknowledged
}

fn batches() -> Vec<Vec<Entry>> {
    let mut batches: Vec<_> = (0..6)
        .map(|nth| vec![grant(nth), remark(&format!("remark {nth}"))])
        .collect();
    batches.push(vec![end(0), end(3)]);
    batches
}

#[test]
fn after_one_or_two_failures_at_any_step_the_log_holds_what_was_acknowledged_and_nothing_else() {
    both_ways(|| {
        let mut rig = Rig::new();
        let opening = rig.disk.steps();
        run(&mut rig, &batches());
        let whole = rig.disk.steps();
        for fault in [Fault::Fails, Fault::FailsHalfway, Fault::HappensAnyway] {
            for first in opening..whole {
                for second in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
                    let mut rig = Rig::new();
                    rig.disk.inject(first, fault);
                    rig.disk.inject(first + second, fault);
                    let acknowledged = run(&mut rig, &batches());
                    let case = format!("{fault:?} at {first} and {second} later");
                    assert_eq!(recorded(&rig.disk), acknowledged, "{case}");
                    assert_moved_aside_is_named(&rig.disk);

                    // The same on the device itself, and at the next start.
                    let disk = rig.disk.after_crash(first as u64);
                    let (again, opened) = Rig::open(&disk, rig.log.head).expect(&case);
                    assert_eq!(recorded(&again.disk), acknowledged, "{case}");
                    assert_eq!(live_texts(&opened.live), live(&again.disk), "{case}");
                    assert!(!opened.recovered, "{case}");
                }
            }
        }
    });
}

#[test]
fn making_a_log_fails_cleanly_and_can_be_tried_again() {
    both_ways(|| {
        let steps = Rig::new().disk.steps();
        for fault in [Fault::Fails, Fault::FailsHalfway, Fault::HappensAnyway] {
            for step in 0..steps {
                let disk = SimDisk::default();
                disk.inject(step, fault);
                assert!(Rig::open(&disk, Head::EMPTY).is_err());
                let (rig, opened) = Rig::open(&disk, Head::EMPTY).unwrap();
                assert!(opened.created || step >= 3, "{fault:?} at {step}");
                assert!(records(&rig.disk).len() >= 2);
            }
        }
    });
}

#[test]
fn a_record_whose_sync_failed_is_moved_aside_although_it_reached_the_disk() {
    both_ways(|| {
        let mut rig = Rig::new();
        let sync = rig.disk.steps() + 1;
        rig.disk.inject(sync, Fault::HappensAnyway);
        assert!(rig.append(&[grant(1)]).is_err());
        assert_eq!(recorded(&rig.disk).len(), 1, "it is there");
        rig.log.recover(rig.clock.now());
        assert_eq!(recorded(&rig.disk), [""; 0]);
        let recovered = records(&rig.disk).pop().unwrap();
        assert_eq!(recovered["kind"], "log.recovered");
        assert!(recovered["why"].as_str().unwrap().contains("I/O error"));
        assert_moved_aside_is_named(&rig.disk);
        // Nor does it come back at the next start.
        let (_, opened) = rig.opened_again(rig.log.head).unwrap();
        assert!(opened.live.is_empty());
    });
}

#[test]
fn a_record_that_only_the_page_cache_holds_does_not_count_at_the_next_start() {
    both_ways(|| {
        let mut rig = Rig::new();
        rig.disk.inject(rig.disk.steps() + 1, Fault::Fails);
        assert!(rig.append(&[grant(1), grant(2)]).is_err());
        // Killed before it could recover. The pages look clean, and are not on the device.
        let (mut again, opened) = rig.opened_again(Head::EMPTY).unwrap();
        // On the device there are zeros at most, which are cut off without a word.
        assert!(!opened.recovered && opened.live.is_empty());
        again.append(&[grant(3)]).unwrap();
        for seed in 0..20 {
            let disk = again.disk.after_crash(seed);
            let (again, _) = Rig::open(&disk, again.log.head).unwrap();
            assert_eq!(recorded(&again.disk), bodies(&[grant(3)]));
        }
    });
}

#[test]
fn a_full_disk_refuses_in_plain_words_once_a_second_and_leaves_no_litter() {
    both_ways(|| {
        let mut rig = Rig::new();
        rig.append(&[grant(1)]).unwrap();
        rig.disk.set_full(true);
        let error = rig.append(&[grant(2)]).unwrap_err().to_string();
        assert!(
            error.contains("no space left on the device that holds /audit"),
            "{error}"
        );
        let files = rig.disk.list().unwrap().len();
        for _ in 0..50 {
            rig.recover();
            assert!(rig.log.fault().unwrap().contains("no space left"));
        }
        assert!(
            rig.disk.list().unwrap().len() <= files + 1,
            "{:?}",
            rig.disk.list()
        );
        let steps = rig.disk.steps();
        rig.log.recover(rig.clock.now());
        assert_eq!(rig.disk.steps(), steps, "not twice within a second");

        rig.disk.set_full(false);
        rig.recover();
        assert_eq!(rig.log.fault(), None);
        rig.append(&[end(1)]).unwrap();
        assert_eq!(recorded(&rig.disk), bodies(&[grant(1), end(1)]));
        assert_moved_aside_is_named(&rig.disk);
    });
}

#[test]
fn a_disk_that_takes_only_beginnings_is_not_filled_with_them() {
    both_ways(|| {
        let mut rig = Rig::new();
        for nth in 0..20 {
            let write = rig.disk.steps();
            rig.disk.inject(write, Fault::Fails);
            assert!(rig.append(&[grant(nth)]).is_err());
            rig.log.recover(rig.clock.now());
            rig.log.recover(rig.clock.now());
            if rig.log.fault().is_some() {
                break;
            }
        }
        assert!(rig.log.fault().is_some());
        assert!(segments(&rig.disk).len() <= 2);
    });
}
