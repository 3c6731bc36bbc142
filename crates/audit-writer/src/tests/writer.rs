//! The thread, its queue, and those who wait, on a simulated disk.

use std::sync::Arc;

use super::super::group_commit::{IfRefused, Pending, Queue, Writer};
use super::super::{AuditLog, Options};
use super::sim_disk::Fault;
use super::*;

fn options() -> Options {
    Options {
        dir: "/audit".into(),
        read_group: None,
        identity: identity(),
        noted: None,
        authenticated: None,
        ahead: true,
        segment_limit: 1 << 20,
    }
}

fn open(disk: &SimDisk, clock: &ManualClock) -> AuditLog {
    let (log, _) = AuditLog::open_on(disk.clone(), options(), Arc::new(clock.clone())).unwrap();
    log
}

#[tokio::test]
async fn each_of_sixty_four_callers_learns_its_own_place() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk, &clock()));
    let tasks: Vec<_> = (0..64)
        .map(|nth| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let Entry { body, effect } = grant(nth);
                (log.record(body, effect).await.unwrap(), grant(nth))
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    assert_eq!(log.head().records, 2 + 64);
    let records = records(&disk);
    for (seq, entry) in told {
        let lease = records[usize::try_from(seq).unwrap()]["lease"].clone();
        assert!(entry.body.as_str().contains(lease.as_str().unwrap()));
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_recorded_takes_effect_and_is_written_first_later() {
    let (disk, clock) = (SimDisk::default(), clock());
    let log = open(&disk, &clock);
    for nth in 1..=2 {
        let Entry { body, effect } = grant(nth);
        log.record(body, effect).await.unwrap();
    }
    disk.set_full(true);
    let Entry { body, effect } = grant(3);
    let refused = log.record(body, effect).await.unwrap_err();
    assert!(matches!(refused, AuditLogError::Unavailable { .. }));
    assert!(refused.to_string().contains("no space left"), "{refused}");
    for entry in [end(1), end(1), end(9)] {
        assert!(!log.record_anyway(entry.body, entry.effect).await);
    }
    assert!(log.fault().unwrap().contains("no space left"));

    disk.set_full(false);
    clock.advance(Duration::from_secs(1));
    let Entry { body, effect } = remark("after");
    log.record(body, effect).await.unwrap();
    assert_eq!(log.fault(), None);
    // One end of the live lease; none of the lease that nobody had.
    let wanted = bodies(&[grant(1), grant(2), end(1), remark("after")]);
    assert_eq!(recorded(&disk), wanted);
}

#[test]
fn a_closed_log_has_written_what_was_waiting_and_refuses_the_rest() {
    let disk = SimDisk::default();
    let log = open(&disk, &clock());
    let Entry { body, effect } = remark("last");
    assert_eq!(log.record_blocking(body, effect).unwrap(), 2);
    log.close();
    let Entry { body, effect } = remark("too late");
    let refused = log.record_blocking(body, effect).unwrap_err();
    assert!(refused.to_string().contains("is stopping"), "{refused}");
    assert_eq!(recorded(&disk), bodies(&[remark("last")]));
}

#[tokio::test]
async fn closing_a_faulted_log_writes_what_was_kept_if_the_disk_works_again() {
    let (disk, clock) = (SimDisk::default(), clock());
    let log = open(&disk, &clock);
    let Entry { body, effect } = grant(1);
    log.record(body, effect).await.unwrap();
    disk.set_full(true);
    let Entry { body, effect } = end(1);
    assert!(!log.record_anyway(body, effect).await);
    disk.set_full(false);
    clock.advance(Duration::from_secs(1));
    log.close();
    assert_eq!(recorded(&disk), bodies(&[grant(1), end(1)]));
}

#[test]
fn what_waits_together_shares_one_sync_also_once_the_log_is_closed() {
    let (disk, clock) = (SimDisk::default(), clock());
    let rig = Rig::open(&disk, Head::EMPTY).unwrap().0;
    let queue = Arc::new(Queue::new(rig.log.head));
    let writer = Writer::new(rig.log, Arc::clone(&queue), Arc::new(clock));
    let answers = [0, 1, 2].map(|nth| {
        let (answer, receiver) = tokio::sync::oneshot::channel();
        queue.push(Pending {
            entry: remark(&nth.to_string()),
            if_refused: IfRefused::Forget,
            answer: Some(answer),
        });
        receiver
    });
    queue.close();
    let before = disk.steps();
    writer.run();
    let told = answers.map(|mut answer| answer.try_recv().unwrap().unwrap());
    assert_eq!(told, [2, 3, 4]);
    assert_eq!(disk.steps() - before, 2, "one write and one sync");
}

#[test]
fn what_no_one_waits_for_gathers_until_someone_waits_or_the_log_is_closed() {
    let disk = SimDisk::default();
    let log = open(&disk, &clock());
    let before = disk.steps();
    for nth in 0..100 {
        log.note(remark(&nth.to_string()).body);
    }
    let Entry { body, effect } = grant(1);
    log.record_blocking(body, effect).unwrap();
    assert_eq!(recorded(&disk).len(), 101, "in order, with who waits");
    // Two for each batch: on a loaded machine there may be several.
    let steps = disk.steps() - before;
    assert!(steps < 100, "{steps} steps");
    log.note(remark("last").body);
    log.close();
    assert_eq!(recorded(&disk).len(), 102);
}

#[test]
fn what_no_one_waits_for_is_written_soon_all_the_same() {
    let disk = SimDisk::default();
    let log = open(&disk, &clock());
    let mut follow = log.follow();
    log.note(remark("alone").body);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let written = runtime.unwrap().block_on(follow.changed());
    assert!(written.is_ok());
    assert_eq!(recorded(&disk).len(), 1);
}

#[test]
fn only_those_in_the_failed_batch_are_refused() {
    let disk = SimDisk::default();
    let log = open(&disk, &clock());
    let sync = disk.steps() + 1;
    disk.inject(sync, Fault::HappensAnyway);
    let Entry { body, effect } = grant(1);
    assert!(log.record_blocking(body, effect).is_err());
    let Entry { body, effect } = grant(2);
    log.record_blocking(body, effect).unwrap();
    assert_eq!(recorded(&disk), bodies(&[grant(2)]));
    assert_moved_aside_is_named(&disk);
}
