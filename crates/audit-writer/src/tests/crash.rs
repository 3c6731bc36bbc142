//! The machine stops at any instant: nothing acknowledged is lost, and nothing comes of the rest
//! that is not in the log.

use broker_audit::chain::Head;
use proptest::prelude::*;
use proptest::sample::select;

use super::sim_disk::{Dice, Fault, SimDisk};
use super::*;

/// What a broker was told before the machine stopped.
pub(super) struct Acknowledged {
    pub(super) acknowledged: Vec<String>,
    /// Refused, or never answered: may or may not be there.
    uncertain: Vec<String>,
    /// As the vault noted it, some records ago.
    noted: Head,
}

impl Acknowledged {
    pub(super) fn nothing() -> Self {
        Self {
            acknowledged: Vec::new(),
            uncertain: Vec::new(),
            noted: Head::EMPTY,
        }
    }
}

/// Opens the log and appends until the disk stops or all is done.
pub(super) fn run(disk: &SimDisk, told: &mut Acknowledged, batches: &[Vec<Entry>]) {
    let Ok((mut rig, _)) = Rig::open(disk, told.noted) else {
        assert!(disk.has_stopped(), "an undamaged log opens");
        return;
    };
    for (nth, batch) in batches.iter().enumerate() {
        match rig.append(batch) {
            Ok(_) => told.acknowledged.extend(bodies(batch)),
            Err(_) => {
                told.uncertain.extend(bodies(batch));
                assert!(disk.has_stopped());
                return;
            }
        }
        if nth % 2 == 1 {
            told.noted = rig.log.head;
        }
    }
}

pub(super) fn assert_nothing_lost(disk: &SimDisk, told: &Acknowledged) {
    let (rig, opened) = Rig::open(disk, told.noted).expect("a crash damages nothing");
    let recorded = recorded(&rig.disk);
    let acknowledged: Vec<_> = recorded
        .iter()
        .filter(|body| !told.uncertain.contains(body))
        .cloned()
        .collect();
    assert_eq!(acknowledged, told.acknowledged);
    assert_eq!(live_texts(&opened.live), live(&rig.disk));
    assert_eq!(rig.log.head.records, records(&rig.disk).len() as u64);
    assert_moved_aside_is_named(&rig.disk);
}

fn batches() -> Vec<Vec<Entry>> {
    vec![
        vec![grant(1), grant(2)],
        vec![remark("one")],
        vec![end(1), grant(3), remark("two")],
        vec![grant(4)],
        vec![remark("three"), grant(5)],
    ]
}

#[test]
fn a_crash_at_any_step_of_making_filling_and_rolling_loses_nothing() {
    both_ways(|| {
        let whole = SimDisk::default();
        run(&whole, &mut Acknowledged::nothing(), &batches());
        assert!(segments(&whole).len() > 2, "the run rolls");
        for step in 0..whole.steps() {
            for seed in 0..40 {
                let disk = SimDisk::default();
                disk.inject(step, Fault::Crash);
                let mut told = Acknowledged::nothing();
                run(&disk, &mut told, &batches());
                assert_nothing_lost(&disk.after_crash(seed), &told);
                assert_nothing_lost(&disk.after_kill(), &told);
            }
        }
    });
}

#[test]
fn a_crash_at_any_step_of_a_recovery_loses_nothing() {
    both_ways(|| {
        let mut seen_steps = 0;
        for seed in 0..60 {
            // The last batch is written and not synced.
            let disk = SimDisk::default();
            let mut told = Acknowledged::nothing();
            run(&disk, &mut told, &[vec![grant(1)], vec![remark("one")]]);
            let noted = told.noted;
            let disk = disk.after_kill();
            disk.inject(2, Fault::Crash);
            run(&disk, &mut told, &[vec![grant(2), grant(3)]]);
            let torn = disk.after_crash(seed);

            let steps = {
                let trial = torn.after_kill();
                Rig::open(&trial, noted).unwrap();
                trial.steps()
            };
            seen_steps = seen_steps.max(steps);
            for step in 0..steps {
                let disk = torn.after_kill();
                disk.inject(step, Fault::Crash);
                assert!(Rig::open(&disk, noted).is_err());
                assert_nothing_lost(&disk.after_crash(seed * 1000 + step as u64), &told);
                assert_nothing_lost(&disk.after_kill(), &told);
            }
        }
        assert!(seen_steps >= 10, "some of these needed a whole recovery");
    });
}

/// What one life of a log is made of, at most.
pub(super) struct Shape {
    /// One record in so many is a remark, one the end of a lease, and the others are grants.
    pub(super) kinds: usize,
    pub(super) batches: usize,
    pub(super) records_in_a_batch: usize,
    /// Of the disk, before it crashes.
    pub(super) steps: usize,
}

/// Several lives of one log, each ended by a crash at a random step.
pub(super) fn assert_survives_any_series_of_crashes(seed: u64, lives: usize, shape: &Shape) {
    let mut dice = Dice(seed);
    let mut disk = SimDisk::default();
    let mut told = Acknowledged::nothing();
    let mut serial = 0;
    for _ in 0..lives {
        let mut any = |dice: &mut Dice| {
            serial += 1;
            match dice.roll(shape.kinds) {
                0 => remark(&format!("remark {serial}")),
                1 => end(dice.roll(serial) as u128),
                _ => grant(serial as u128),
            }
        };
        let batches: Vec<Vec<Entry>> = (0..1 + dice.roll(shape.batches))
            .map(|_| {
                let records = 1 + dice.roll(shape.records_in_a_batch);
                (0..records).map(|_| any(&mut dice)).collect()
            })
            .collect();
        disk.inject(dice.roll(shape.steps), Fault::Crash);
        run(&disk, &mut told, &batches);
        disk = disk.after_crash(dice.roll(1 << 30) as u64);
    }
    let (rig, opened) = Rig::open(&disk, told.noted).expect("a crash damages nothing");
    let recorded = recorded(&rig.disk);
    let mut from = recorded.iter();
    for body in &told.acknowledged {
        assert!(from.any(|one| one == body), "lost, or out of order: {body}");
    }
    let known = |body: &&String| told.acknowledged.contains(body) || told.uncertain.contains(body);
    assert_eq!(recorded.iter().find(|body| !known(body)), None);
    assert_eq!(live_texts(&opened.live), live(&rig.disk));
    assert_moved_aside_is_named(&rig.disk);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_log_survives_any_series_of_crashes(
        seed in any::<u64>(),
        lives in 1..6_usize,
        step in select(&STEPS),
    ) {
        STEP.set(step);
        let shape = Shape { kinds: 3, batches: 8, records_in_a_batch: 4, steps: 40 };
        assert_survives_any_series_of_crashes(seed, lives, &shape);
    }
}
