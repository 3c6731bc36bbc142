use std::time::Duration;

use broker_clock::{Clock as _, ManualClock, Now};
use broker_protocol::api::TokenEnd;
use broker_protocol::names::Delivery;
use jiff::Timestamp;

use super::*;
use crate::lease::Lease;

const HOUR: Duration = Duration::from_secs(3600);
const QUARTER: Duration = Duration::from_secs(900);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn boot(second: u64) -> Duration {
    Duration::from_secs(50 + second)
}

fn now(second: i64) -> Now {
    Now {
        wall: at(second),
        boot: boot(second.unsigned_abs()),
    }
}

fn lease(number: u128, uid: u32) -> Lease {
    Lease {
        deliver: Delivery::Installation,
        ..Lease::in_a_test(number, uid, now(0), QUARTER)
    }
}

fn key(uid: u32) -> MintKey {
    mint_key(&lease(0, uid)).unwrap()
}

fn id(number: u128) -> LeaseId {
    LeaseId::from_random(number)
}

fn value(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned())
}

fn token(text: &str, uid: u32, minted: i64) -> Token {
    Token {
        minted: Minted {
            key: key(uid),
            hashed_credential: value(text).hashed(),
            installation: 4711,
            minted_at: at(minted),
            expires_at: at(minted + 3600),
            ending: false,
        },
        life: TokenLife::minted(now(minted), now(minted), at(minted + 3600)),
    }
}

/// One whose end was about to be asked for.
fn ending(text: &str, uid: u32, minted: i64) -> Token {
    let mut token = token(text, uid, minted);
    token.minted.ending = true;
    token
}

fn lead(table: &TokenTable, lease: u128, uid: u32) -> Leader {
    match table.acquire(&key(uid), &id(lease), QUARTER, boot(0)) {
        Acquired::Leads(leader) => leader,
        Acquired::Held(_) | Acquired::Follows(_) => panic!("another caller leads"),
    }
}

/// A token that lease 1 of account 7 minted, and holds.
fn minted(table: &TokenTable) -> Token {
    let leader = lead(table, 1, 7);
    let minted = token("ghs_one", 7, 0);
    table
        .complete(&leader, minted.clone(), &value("ghs_one"))
        .unwrap();
    minted
}

fn unused(_: &HashedToken) -> bool {
    false
}

fn recorded() -> Recorded<Use> {
    broker_scratch::recorded("acme-import-app", Some(1))
}

#[tokio::test]
async fn of_several_who_need_a_token_one_goes_and_all_hold_what_it_brings() {
    let table = TokenTable::default();
    let first = lead(&table, 1, 7);
    let Acquired::Follows(mut landing) = table.acquire(&key(7), &id(2), QUARTER, boot(0)) else {
        panic!("two lead");
    };
    assert!(matches!(
        table.acquire(&key(8), &id(3), QUARTER, boot(0)),
        Acquired::Leads(_)
    ));
    let minted = token("ghs_one", 7, 0);
    table
        .complete(&first, minted.clone(), &value("ghs_one"))
        .unwrap();
    let landed = landing.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(landed.unwrap().unwrap(), minted);
    for lease in [1, 2] {
        let taken = table.take(&recorded(), &id(lease), &minted.minted.hashed_credential);
        assert_eq!(taken.ok().flatten().unwrap().expose(), "ghs_one");
    }
    let taken = table.take(&recorded(), &id(3), &minted.minted.hashed_credential);
    assert_eq!(taken.err(), Some(NotHeld), "another account's lease");
}

#[tokio::test]
async fn when_the_one_fails_all_learn_why_and_when_it_vanishes_they_ask_again() {
    let table = TokenTable::default();
    let first = lead(&table, 1, 7);
    let Acquired::Follows(mut landing) = table.acquire(&key(7), &id(2), QUARTER, boot(0)) else {
        panic!("two lead");
    };
    table.fail(&first, &Arc::new(MintError::ClockAhead));
    let landed = landing.wait_for(Option::is_some).await.unwrap().clone();
    let error = landed.unwrap().unwrap_err();
    assert!(matches!(*error, MintError::ClockAhead), "{error}");

    let second = lead(&table, 1, 7);
    let Acquired::Follows(mut landing) = table.acquire(&key(7), &id(2), QUARTER, boot(0)) else {
        panic!("two lead");
    };
    drop(second);
    assert!(landing.wait_for(Option::is_some).await.is_err());
    drop(lead(&table, 2, 7));
}

#[test]
fn a_token_is_shared_while_it_has_the_wanted_time_left_and_by_the_same_scope_alone() {
    let table = TokenTable::default();
    minted(&table);
    assert!(table.share(&key(7), &id(2), HOUR, boot(30)).is_some());
    assert!(table.share(&key(7), &id(3), HOUR, boot(61)).is_none());
    assert!(table.share(&key(7), &id(3), QUARTER, boot(2700)).is_some());
    assert!(table.share(&key(7), &id(4), QUARTER, boot(2761)).is_none());
    assert!(table.share(&key(8), &id(5), QUARTER, boot(1)).is_none());
    let mut narrower = lease(6, 7);
    narrower.repositories = ["acme/one".parse().unwrap()].into();
    let narrower = mint_key(&narrower).unwrap();
    assert!(table.share(&narrower, &id(6), QUARTER, boot(1)).is_none());
    table.stop_sharing(&key(7));
    assert!(table.share(&key(7), &id(7), QUARTER, boot(1)).is_none());
}

#[test]
fn a_token_is_shared_by_boot_time_however_the_wall_clock_jumps() {
    let clock = ManualClock::at(at(0));
    let table = TokenTable::default();
    let first = lead(&table, 1, 7);
    let minted = Token {
        life: TokenLife::minted(clock.now(), clock.now(), at(3600)),
        ..token("ghs_one", 7, 0)
    };
    table.complete(&first, minted, &value("ghs_one")).unwrap();
    let shared = |lease| table.share(&key(7), &id(lease), QUARTER, clock.now().boot);
    let day = Duration::from_secs(24 * 3600);
    for set_to in [at(0) + day, at(0) - day] {
        clock.set_wall(set_to);
        assert!(shared(2).is_some(), "{set_to}");
    }
    clock.advance(HOUR - QUARTER);
    assert!(shared(3).is_some(), "{:?}", clock.now());
    clock.advance(Duration::from_secs(61));
    assert!(shared(4).is_none(), "{:?}", clock.now());
}

#[test]
fn a_token_is_ended_when_its_last_lease_lets_go_and_shared_with_nobody_from_then_on() {
    let table = TokenTable::default();
    let minted = minted(&table);
    table.share(&key(7), &id(2), QUARTER, boot(1)).unwrap();
    table.release(&id(1), None);
    assert_eq!(table.take_due(Duration::ZERO, true, unused), []);
    table.release(&id(2), None);
    assert!(table.share(&key(7), &id(3), QUARTER, boot(1)).is_none());
    assert_eq!(
        table.take_due(Duration::ZERO, true, unused),
        [(minted.clone(), 0)]
    );
    assert_eq!(
        table.take_due(Duration::ZERO, true, unused),
        [],
        "it is under way"
    );
    table.retry_end(&minted.minted.hashed_credential, 1, Duration::from_secs(9));
    assert_eq!(table.take_due(Duration::from_secs(8), true, unused), []);
    assert_eq!(
        table.take_due(Duration::from_secs(9), true, unused),
        [(minted.clone(), 1)]
    );
    table.remove(&minted.minted.hashed_credential);
    assert!(table.value(&minted.minted.hashed_credential).is_none());
    assert_eq!(table.take_due(Duration::MAX, true, unused), []);
}

#[test]
fn a_lease_that_never_came_to_live_lets_go_of_what_it_held() {
    let table = TokenTable::default();
    let first = lead(&table, 1, 7);
    let hold = TokenRef::new(&table, id(1), key(7));
    table
        .complete(&first, token("ghs_one", 7, 0), &value("ghs_one"))
        .unwrap();
    drop(hold);
    assert_eq!(table.take_due(Duration::ZERO, true, unused).len(), 1);
}

#[test]
fn a_token_that_was_about_to_end_before_a_restart_is_never_shared_and_its_end_tried_again() {
    let table = TokenTable::default();
    table.restore(ending("ghs_new", 7, 10));
    table.restore(token("ghs_old", 7, 0));
    let (dying, lives) = (value("ghs_new").hashed(), value("ghs_old").hashed());
    let shared = table.share(&key(7), &id(1), QUARTER, boot(20));
    assert_eq!(
        shared.map(|token| token.minted.hashed_credential),
        Some(lives)
    );
    assert!(!table.restore_holder(&id(2), &dying), "nor held as before");
    let ended = table.take_due(Duration::ZERO, false, unused);
    assert_eq!(ended, [(ending("ghs_new", 7, 10), 0)], "at once");

    let table = TokenTable::default();
    table.restore(token("ghs_old", 7, 0));
    table.restore(ending("ghs_new", 7, 10));
    let shared = table.share(&key(7), &id(1), QUARTER, boot(20));
    assert_eq!(
        shared.unwrap().minted.hashed_credential,
        value("ghs_old").hashed()
    );
}

#[test]
fn after_a_restart_a_lease_holds_the_token_its_record_names_and_no_other() {
    let table = TokenTable::default();
    table.restore(token("ghs_one", 7, 0));
    table.restore(token("ghs_two", 7, 10));
    let named = value("ghs_one").hashed();
    assert_eq!(
        table.take_due(Duration::ZERO, false, unused),
        [],
        "not before the rebuild"
    );
    assert!(table.restore_holder(&id(1), &named));
    assert_eq!(table.held_by(&id(1)), Some(token("ghs_one", 7, 0)));
    assert!(!table.restore_holder(&id(2), &value("ghs_gone").hashed()));
    assert_eq!(table.held_by(&id(2)), None);
    let ended = table.take_due(Duration::ZERO, true, unused);
    assert_eq!(ended, [(token("ghs_two", 7, 10), 0)]);
    let taken = table.take(&recorded(), &id(1), &named);
    assert!(
        taken.ok().unwrap().is_none(),
        "its value is in the vault alone"
    );
    table.cache_value(&named, &value("ghs_one"));
    let taken = table.take(&recorded(), &id(1), &named).ok().flatten();
    assert_eq!(taken.unwrap().expose(), "ghs_one");
    table.wipe();
    assert!(table.value(&named).is_none());
}

#[test]
fn a_lease_that_takes_hold_of_another_token_lets_go_of_the_one_before() {
    let table = TokenTable::default();
    let one = minted(&table);
    table.stop_sharing(&key(7));
    let second = lead(&table, 1, 7);
    let two = token("ghs_two", 7, 0);
    table
        .complete(&second, two.clone(), &value("ghs_two"))
        .unwrap();
    assert_eq!(table.held_by(&id(1)), Some(two));
    let hashed = &one.minted.hashed_credential;
    assert!(table.holders(hashed).is_empty());
    // What began with it goes on.
    assert!(table.holds(&id(1), hashed));
    let uses = |token: &HashedToken| token == hashed;
    assert_eq!(table.take_due(Duration::ZERO, true, uses), []);
    assert_eq!(table.take_due(Duration::ZERO, true, unused), [(one, 0)]);
}

#[test]
fn a_token_that_is_ended_now_is_handed_to_nobody_and_tried_again_whoever_holds_it() {
    let table = TokenTable::default();
    let minted = minted(&table);
    let begun = table.end_now(&minted.minted.hashed_credential, None);
    assert_eq!(begun, Ok((minted.clone(), 0)));
    let taken = table.take(&recorded(), &id(1), &minted.minted.hashed_credential);
    assert_eq!(taken.err(), Some(NotHeld));
    table.retry_end(&minted.minted.hashed_credential, 1, Duration::from_secs(1));
    assert_eq!(
        table.take_due(Duration::from_secs(1), true, unused),
        [(minted.clone(), 1)]
    );
    table.retry_end(&minted.minted.hashed_credential, 2, HOUR);
    assert_eq!(table.take_due(Duration::from_secs(1), true, unused), []);
    table.retry_ends_now();
    assert_eq!(table.all(), std::slice::from_ref(&minted));
    assert_eq!(
        table.take_due(Duration::from_secs(1), true, unused),
        [(minted, 2)]
    );
}

#[test]
fn a_lease_ends_its_token_now_unless_others_hold_it_or_somebody_is_ending_it() {
    let table = TokenTable::default();
    let minted = minted(&table);
    let joined = table.share(&key(7), &id(2), QUARTER, boot(0));
    assert_eq!(joined, Some(minted.clone()));
    let end = |lease| table.end_now(&minted.minted.hashed_credential, Some(&id(lease)));
    assert_eq!(end(1), Err(TokenEnd::Shared));
    table.release(&id(1), None);
    assert_eq!(end(2), Ok((minted.clone(), 0)));
    assert_eq!(end(2), Err(TokenEnd::Pending));
    assert_eq!(table.share(&key(7), &id(3), QUARTER, boot(0)), None);
}

#[test]
fn a_token_whose_hour_is_over_is_ended_though_a_lease_holds_it_that_goes_on() {
    let table = TokenTable::default();
    minted(&table);
    let hour = boot(3600);
    assert!(
        table
            .take_due(hour - Duration::from_secs(1), true, unused)
            .is_empty()
    );
    let due = table.take_due(hour, true, unused);
    assert_eq!(due.len(), 1);
    assert!(!table.holds(&id(1), &due[0].0.minted.hashed_credential));
    table.remove(&due[0].0.minted.hashed_credential);
    assert!(table.held_by(&id(1)).is_none());
}

#[test]
fn a_token_that_is_looked_at_is_held_by_no_one_for_that() {
    let table = TokenTable::default();
    let shared = |at| table.shared(&key(7), QUARTER, boot(at));
    assert!(shared(0).is_none());
    let token = minted(&table);
    assert_eq!(shared(0), Some(token.clone()));
    assert!(shared(3600 - 800).is_none(), "it ends too soon");
    assert_eq!(table.holders(&token.minted.hashed_credential), [id(1)]);
    assert!(table.holds(&id(1), &token.minted.hashed_credential));
    assert!(!table.holds(&id(2), &token.minted.hashed_credential));
}
