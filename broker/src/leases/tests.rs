//! Leases in process: the clock is moved, the log and the vault are real.

use std::time::Duration;

use super::issue::{IssueError, Issued, LeaseOptions};
use super::*;
use crate::app::scratch::{CALLER, Scratch, caller, request};

const VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

async fn scratch(config: &str) -> Scratch {
    let scratch = Scratch::new(config);
    scratch.set(VALUE).await;
    scratch
}

async fn issue(scratch: &Scratch, uid: u32) -> Result<Issued, IssueError> {
    let leases = &scratch.app.leases;
    leases.issue(request(uid), LeaseOptions::default()).await
}

async fn taken(scratch: &Scratch) -> Arc<Lease> {
    issue(scratch, CALLER).await.ok().unwrap().lease
}

#[tokio::test]
async fn a_lease_is_recorded_before_its_value_is_handed_out_and_ends_when_its_time_is_over() {
    let scratch = scratch("").await;
    let issued = issue(&scratch, CALLER).await.ok().unwrap();
    // Compared, and goes nowhere.
    assert_eq!(issued.token.expose(), VALUE);
    assert_eq!(scratch.recorded().last().unwrap(), "lease.granted");
    let leases = &scratch.app.leases;
    let id = &issued.lease.id;
    scratch.clock.advance(Duration::from_secs(899));
    assert!(leases.find(id).is_some());
    scratch.clock.advance(Duration::from_secs(1));
    assert!(leases.find(id).is_none(), "also before the sweep");
    leases.expire_leases();
    while scratch.recorded().last().unwrap() != "lease.expired" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_not_allowed_gets_a_record_and_no_lease() {
    let scratch = scratch("").await;
    let refused = issue(&scratch, CALLER + 1).await.err().unwrap();
    assert!(matches!(refused, IssueError::Denied { .. }), "{refused}");
    assert_eq!(scratch.recorded().last().unwrap(), "lease.denied");
    assert!(scratch.app.leases.list(None).is_empty());
}

#[tokio::test]
async fn a_store_that_is_locked_and_a_broker_that_stops_grant_nothing() {
    let scratch = scratch("").await;
    scratch.app.vault.lock();
    let refused = issue(&scratch, CALLER).await.err().unwrap();
    assert!(matches!(refused, IssueError::Locked), "{refused}");
    scratch.unlock();
    taken(&scratch).await;
    let refusing = scratch.app.leases.gate.revoke();
    let refused = issue(&scratch, CALLER).await.err().unwrap();
    assert!(matches!(refused, IssueError::Locked), "{refused}");
    drop(refusing);
    taken(&scratch).await;
    scratch.app.leases.gate.drain();
    assert!(issue(&scratch, CALLER).await.is_err());
}

#[tokio::test]
async fn a_renewal_goes_as_far_as_the_first_grant_said_and_no_further() {
    let scratch = scratch("").await;
    let id = taken(&scratch).await.id.clone();
    let leases = &scratch.app.leases;
    let by = caller(CALLER);
    for minutes in [10, 20, 30, 40, 50, 55] {
        let since = scratch.app.journal.now().boot.as_secs() / 60 % 60;
        scratch
            .clock
            .advance(Duration::from_secs((minutes - since) * 60));
        let renewed = leases.renew(&id, &by, None).await.ok().unwrap();
        assert!(renewed.is_some(), "after {minutes} minutes");
    }
    let last = leases.find(&id).unwrap();
    assert_eq!(last.span.expires.boot, last.span.renewable.boot);
    assert_eq!(last.span.length(), Duration::from_secs(3600));
    let strangers = leases.renew(&id, &caller(CALLER + 1), None).await;
    assert!(strangers.ok().unwrap().is_none(), "nor another account's");
}

#[tokio::test]
async fn a_start_finds_live_leases_again_and_revives_none_that_ended() {
    let scratch = scratch("").await;
    let (lives, revoked) = (taken(&scratch).await, taken(&scratch).await);
    let by = caller(CALLER);
    let ended = scratch.app.leases.revoke(&revoked.id, &by, false).await;
    assert!(ended.is_some());
    let scratch = scratch.started_again();
    let leases = &scratch.app.leases;
    assert!(!leases.is_rebuilt() && leases.find(&lives.id).is_none());
    leases.rebuild().await;
    assert!(!leases.is_rebuilt(), "not while locked");
    scratch.unlock();
    leases.rebuild().await;
    assert!(leases.is_rebuilt());
    let live = leases.list(None);
    let live: Vec<_> = live.iter().map(|lease| &lease.id).collect();
    assert_eq!(live, [&lives.id]);
    assert!(scratch.recorded().contains(&"leases.rebuilt".to_owned()));
}

#[tokio::test]
async fn at_its_limit_an_account_gets_the_place_of_its_oldest_equal_lease() {
    let scratch = scratch("[limits]\nleases_per_account = 2\n").await;
    let first = taken(&scratch).await;
    taken(&scratch).await;
    taken(&scratch).await;
    let leases = &scratch.app.leases;
    assert_eq!(leases.list(Some(CALLER)).len(), 2);
    assert!(leases.find(&first.id).is_none());
    assert_eq!(scratch.recorded().last().unwrap(), "lease.expired");
}
