use broker_audit::record::BrokerEvent;

use super::*;
use crate::app::scratch::Scratch;

fn stopped(why: &'static str) -> BrokerEvent<'static> {
    BrokerEvent::Stopped { why }
}

#[tokio::test]
async fn who_follows_the_log_reads_every_record_once_however_far_behind() {
    let scratch = Scratch::new("");
    let journal = &scratch.app.journal;
    let mut following = journal.subscribe(journal.head().records);
    assert_eq!(following.behind(), 0);
    for _ in 0..250 {
        journal.record(&stopped("a test")).await.unwrap();
    }
    let mut seen = 0;
    while following.behind() > 0 {
        following.more().await;
        let range = following.read(100, 1 << 20).await.unwrap();
        assert!(range.records <= 100);
        seen += range.records;
    }
    assert_eq!(seen, 250);
}

#[tokio::test]
async fn who_hangs_or_is_gone_holds_no_record_up() {
    let scratch = Scratch::new("");
    let journal = &scratch.app.journal;
    let hanging = journal.subscribe(0);
    let panicked = tokio::spawn({
        let mut following = journal.subscribe(journal.head().records);
        async move {
            following.more().await;
            panic!("a reader's own fault");
        }
    });
    let before = journal.head().records;
    journal.record(&stopped("a test")).await.unwrap();
    assert!(panicked.await.is_err());
    journal.record(&stopped("a test")).await.unwrap();
    assert_eq!(journal.head().records, before + 2);
    assert_eq!(hanging.behind(), before + 2, "and it knows");
}

#[tokio::test]
async fn who_waits_for_more_is_told_when_it_is_durable_and_when_there_will_be_none() {
    let scratch = Scratch::new("");
    let journal = Arc::clone(&scratch.app.journal);
    let mut following = journal.subscribe(journal.head().records);
    let waiting = tokio::spawn(async move {
        following.more().await;
        let first = following.read(9, 1 << 20).await.unwrap();
        following.more().await;
        (first.records, following.behind())
    });
    journal.record(&stopped("a test")).await.unwrap();
    while !waiting.is_finished() {
        let closing = Arc::clone(&journal);
        tokio::task::yield_now().await;
        if journal.head().records > 0 {
            tokio::task::spawn_blocking(move || closing.close())
                .await
                .unwrap();
            break;
        }
    }
    drop(scratch);
    drop(journal);
    assert_eq!(waiting.await.unwrap(), (1, 0));
}

#[tokio::test]
async fn nothing_is_recorded_once_the_log_is_closed_and_what_happened_anyway_is_told_not_to_be() {
    let scratch = Scratch::new("");
    let journal = Arc::clone(&scratch.app.journal);
    let closing = Arc::clone(&journal);
    tokio::task::spawn_blocking(move || closing.close())
        .await
        .unwrap();
    assert!(journal.record(&stopped("a test")).await.is_err());
    assert!(!journal.record_or_trace(&stopped("a test")).await);
}
