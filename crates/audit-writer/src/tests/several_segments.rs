//! More live leases than fit into one segment: whatever was written is read back.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::replay::CONTINUED;
use super::super::segment;
use super::crash::{
    Acknowledged, Shape, assert_nothing_lost, assert_survives_any_series_of_crashes, run,
};
use super::sim_disk::{Fault, SimDisk};
use super::*;

/// Several times as many as a segment holds.
const MANY: u128 = 20;

/// A log that had to tell many live leases at least once.
fn full_log() -> Rig {
    let mut rig = Rig::new();
    for nth in 0..MANY {
        rig.append(&[grant(nth)]).unwrap();
    }
    rig
}

fn first_kind(disk: &SimDisk, name: &str) -> String {
    let text = String::from_utf8(disk.bytes(name)).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    first["kind"].as_str().unwrap().to_owned()
}

fn sizes(disk: &SimDisk) -> u64 {
    let names = segments(disk).into_iter();
    names.map(|name| disk.bytes(&name).len() as u64).sum()
}

#[test]
fn live_leases_that_no_segment_holds_are_read_back_from_several() {
    let mut rig = full_log();
    for round in 0..40 {
        rig.append(&[remark(&format!("round {round}"))]).unwrap();
        let (_, opened) = rig.opened_again(rig.log.head).unwrap();
        let all: Vec<_> = (0..MANY).map(grant).collect();
        assert_eq!(live_texts(&opened.live), bodies(&all), "{round}");
    }
    for name in segments(&rig.disk) {
        assert!(rig.disk.bytes(&name).len() as u64 <= LIMIT, "{name}");
    }
}

#[test]
fn telling_live_leases_takes_no_more_of_the_log_than_what_is_recorded_between() {
    let mut rig = full_log();
    let before = sizes(&rig.disk);
    let mut recorded = 0;
    while recorded < 100_000 {
        let batch = [remark(&"x".repeat(500))];
        recorded += batch[0].body.as_str().len() as u64;
        rig.append(&batch).unwrap();
    }
    let written = sizes(&rig.disk) - before;
    assert!(written < 3 * recorded, "{written} for {recorded}");
}

#[test]
fn a_start_reads_no_further_back_than_to_where_live_leases_were_last_told() {
    let rig = full_log();
    let names = segments(&rig.disk);
    let goes_on = |name: &&String| first_kind(&rig.disk, name) == CONTINUED;
    let needed = names.iter().rev().take_while(goes_on).count() + 1;
    assert!(needed > 2 && needed < names.len());
    let disk = rig.disk.after_kill();
    for gone in &names[..names.len() - needed] {
        disk.delete(gone);
    }
    let (_, opened) = Rig::open(&disk, rig.log.head).unwrap();
    assert_eq!(opened.live.len() as u128, MANY);
    // One more, and it says which.
    let told = &names[names.len() - needed];
    disk.delete(told);
    let Err(error) = Rig::open(&disk, rig.log.head) else {
        panic!("opened");
    };
    assert!(error.to_string().contains(told.as_str()), "{error}");
    assert_eq!(
        disk.list().unwrap(),
        names[names.len() - needed + 1..],
        "nothing is moved"
    );
}

#[test]
fn a_broker_goes_on_in_the_segment_where_it_stopped_as_if_it_had_not() {
    let batches: Vec<_> = (0..60)
        .map(|nth| [remark(&format!("{nth:0400}"))])
        .collect();
    let mut whole = full_log();
    let mut again = full_log();
    for batch in &batches {
        whole.append(batch).unwrap();
        again.append(batch).unwrap();
        again = again.opened_again(again.log.head).unwrap().0;
    }
    let texts = |disk: &SimDisk| {
        let names = segments(disk).into_iter();
        names
            .map(|name| (disk.bytes(&name), name))
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&again.disk), texts(&whole.disk));
}

#[test]
fn a_crash_at_any_step_of_telling_many_loses_nothing() {
    both_ways(|| {
        let batches = |from: u128| -> Vec<Vec<Entry>> {
            let grants = (from..from + 9).map(|nth| vec![grant(nth)]);
            grants.chain([vec![end(from), remark("end")]]).collect()
        };
        let whole = SimDisk::default();
        run(&whole, &mut Acknowledged::nothing(), &batches(0));
        assert!(
            segments(&whole)
                .iter()
                .any(|name| first_kind(&whole, name) == CONTINUED)
        );
        for step in 0..whole.steps() {
            for seed in 0..10 {
                let disk = SimDisk::default();
                disk.inject(step, Fault::Crash);
                let mut told = Acknowledged::nothing();
                run(&disk, &mut told, &batches(0));
                assert_nothing_lost(&disk.after_crash(seed), &told);
                assert_nothing_lost(&disk.after_kill(), &told);
            }
        }
    });
}

#[test]
fn a_failure_at_any_step_of_telling_many_is_repaired_and_leaves_no_beginning_behind() {
    both_ways(|| {
        let trial = full_log();
        let steps = {
            let mut rig = trial.opened_again(trial.log.head).unwrap().0;
            let before = rig.disk.steps();
            for nth in 0..40 {
                rig.append(&[remark(&format!("{nth:0400}"))]).unwrap();
            }
            before..rig.disk.steps()
        };
        for step in steps {
            for fault in [Fault::Fails, Fault::FailsHalfway, Fault::HappensAnyway] {
                let mut rig = trial.opened_again(trial.log.head).unwrap().0;
                rig.disk.inject(step, fault);
                let mut kept = recorded(&rig.disk);
                for nth in 0..40 {
                    let batch = [remark(&format!("{nth:0400}"))];
                    if rig.append(&batch).is_ok() {
                        kept.extend(bodies(&batch));
                    } else {
                        rig.recover();
                        assert_eq!(rig.log.fault(), None, "{step} {fault:?}");
                    }
                }
                assert_eq!(recorded(&rig.disk), kept, "{step} {fault:?}");
                assert_moved_aside_is_named(&rig.disk);
                let (_, opened) = rig.opened_again(rig.log.head).unwrap();
                assert_eq!(opened.live.len() as u128, MANY);
            }
        }
    });
}

#[test]
fn an_unfinished_telling_that_something_follows_is_damage_and_nothing_is_moved() {
    let rig = full_log();
    let names = segments(&rig.disk);
    let at = names
        .iter()
        .rposition(|name| first_kind(&rig.disk, name) != CONTINUED);
    let disk = rig.disk.after_kill();
    disk.delete(&names[at.unwrap() + 1]);
    let before = disk.list().unwrap();
    assert!(Rig::open(&disk, rig.log.head).is_err());
    assert_eq!(disk.list().unwrap(), before);
    assert!(segment::first_record(&before[0]).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_log_with_many_live_leases_survives_any_series_of_crashes(
        seed in any::<u64>(),
        lives in 1..5_usize,
        step in select(&STEPS),
    ) {
        STEP.set(step);
        let shape = Shape { kinds: 6, batches: 20, records_in_a_batch: 3, steps: 120 };
        assert_survives_any_series_of_crashes(seed, lives, &shape);
    }
}
