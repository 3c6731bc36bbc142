use std::time::Duration;

use broker_protocol::names::Delivery;
use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::*;

fn at(seconds: u64) -> Now {
    Now {
        wall: Timestamp::UNIX_EPOCH,
        boot: Duration::from_secs(seconds),
    }
}

fn lease(number: u128, uid: u32, ttl: u64) -> Arc<Lease> {
    Arc::new(Lease::in_a_test(
        number,
        uid,
        at(0),
        Duration::from_secs(ttl),
    ))
}

const fn up_to(leases: usize) -> LeaseTotals {
    LeaseTotals { leases, bytes: 100 }
}

/// A lease on this value, granted by this record.
fn on(value: &str, number: u128) -> Lease {
    Lease {
        hashed_token: Some(HashedToken::from_stored(value)),
        seq: u64::try_from(number).unwrap(),
        ..Lease::in_a_test(number, 7, at(0), Duration::from_secs(60))
    }
}

/// Takes a place and fills it. Returns the number of the lease that ended for it.
fn take(
    table: &LeaseTable,
    lease: Arc<Lease>,
    limit: usize,
) -> Result<Option<LeaseId>, AccountFull> {
    let place = table.reserve(&lease, 0, lease.hashed_token.as_ref(), up_to(limit))?;
    let over = table.open(place, lease, None);
    Ok(over.map(|over| over.id.clone()))
}

#[test]
fn an_account_takes_any_number_of_equal_raw_leases_and_holds_as_many_as_it_may() {
    let table = LeaseTable::default();
    for number in 0..2500 {
        let over = take(&table, Arc::new(on("value", number)), 1000).unwrap();
        let oldest = number.checked_sub(1000).map(LeaseId::from_random);
        assert_eq!(over, oldest, "lease {number}");
        assert!(table.len() <= 1000);
    }
    assert!(table.find(&LeaseId::from_random(1499), at(1)).is_none());
    assert!(table.find(&LeaseId::from_random(1500), at(1)).is_some());
}

#[test]
fn no_lease_gives_way_to_another_kind_of_lease_nor_one_that_ends_with_its_process() {
    let other = |change: fn(&mut Lease)| {
        let mut lease = on("value", 1);
        change(&mut lease);
        lease
    };
    for (nth, stays) in [
        other(|lease| lease.until_exit = true),
        other(|lease| lease.deliver = Delivery::Installation),
        other(|lease| lease.hashed_token = Some(HashedToken::from_stored("another"))),
        other(|lease| lease.version = Some(1)),
        other(|lease| lease.secret = "another".parse().unwrap()),
        other(|lease| lease.purpose = "another".parse().unwrap()),
        other(|lease| lease.rule = "label-sync.toml#2".into()),
        other(|lease| lease.repositories = ["acme/site".parse().unwrap()].into()),
        other(|lease| lease.organization = Some("acme".parse().unwrap())),
        other(|lease| {
            let read = ("issues".parse().unwrap(), "read".parse().unwrap());
            lease.permissions = Arc::new([read].into());
        }),
    ]
    .into_iter()
    .enumerate()
    {
        let table = LeaseTable::default();
        take(&table, Arc::new(stays), 1).unwrap();
        assert!(take(&table, Arc::new(on("value", 2)), 1).is_err(), "{nth}");
    }
    let table = LeaseTable::default();
    take(&table, Arc::new(on("value", 1)), 1).unwrap();
    let mut new = on("value", 2);
    new.deliver = Delivery::Installation;
    assert!(take(&table, Arc::new(new), 1).is_err(), "nor to a token");
    let unknown = table.reserve(&on("value", 2), 0, None, up_to(1));
    assert!(unknown.is_err(), "nor where the value is not known");
}

#[test]
fn a_lease_gives_way_once_and_only_when_the_other_one_lives() {
    let table = LeaseTable::default();
    let value = HashedToken::from_stored("value");
    take(&table, Arc::new(on("value", 1)), 1).unwrap();
    let new = on("value", 2);
    let place = table.reserve(&new, 0, Some(&value), up_to(1)).unwrap();
    assert!(table.find(&LeaseId::from_random(1), at(1)).is_some());
    assert!(
        table
            .reserve(&on("value", 3), 0, Some(&value), up_to(1))
            .is_err()
    );
    drop(place);
    assert!(
        table.find(&LeaseId::from_random(1), at(1)).is_some(),
        "not granted"
    );

    // It ends by itself before the place is filled.
    let place = table.reserve(&new, 0, Some(&value), up_to(1)).unwrap();
    assert!(table.end(&LeaseId::from_random(1)).is_some());
    assert!(table.open(place, Arc::new(new), None).is_none());
    assert_eq!(table.len(), 1);

    // The value turned out to be another one.
    let place = table
        .reserve(&on("value", 3), 0, Some(&value), up_to(1))
        .unwrap();
    assert!(
        table
            .open(place, Arc::new(on("another", 3)), None)
            .is_none()
    );
    assert_eq!(table.len(), 2);
}

#[test]
fn a_limit_counts_places_that_are_taken_but_not_filled() {
    let table = LeaseTable::default();
    let first = table.reserve(&lease(1, 7, 60), 0, None, up_to(1)).unwrap();
    assert!(table.reserve(&lease(2, 7, 60), 0, None, up_to(1)).is_err());
    assert!(
        table.reserve(&lease(3, 8, 60), 0, None, up_to(1)).is_ok(),
        "another account is not affected"
    );
    drop(first);
    take(&table, lease(1, 7, 60), 1).unwrap();
    let full = table
        .reserve(&lease(2, 7, 60), 0, None, up_to(1))
        .unwrap_err();
    assert_eq!(full.next_end, Some(Duration::from_secs(60)));
    assert!(table.end(&LeaseId::from_random(1)).is_some());
    assert!(table.reserve(&lease(2, 7, 60), 0, None, up_to(1)).is_ok());
}

#[test]
fn what_the_records_of_live_leases_take_is_limited_and_free_again_with_each_end() {
    let table = LeaseTable::default();
    let heavy = |account, bytes| table.reserve(&lease(9, account, 60), bytes, None, up_to(9));
    let first = heavy(7, 60).unwrap();
    assert_eq!(heavy(7, 41).unwrap_err().reached, LimitReached::Bytes);
    let second = heavy(7, 40).unwrap();
    assert!(heavy(8, 100).is_ok(), "another account is not affected");
    table.open(first, lease(1, 7, 60), None);
    drop(second);
    let full = heavy(7, 41).unwrap_err();
    assert_eq!(full.next_end, Some(Duration::from_secs(60)));
    assert!(table.renew(lease(1, 7, 90)));
    assert!(table.end(&LeaseId::from_random(1)).is_some());
    assert!(heavy(7, 100).is_ok());
    table.rebuild(lease(2, 7, 60), 100);
    assert!(heavy(7, 1).is_err());
    assert_eq!(table.expire(at(60)).len(), 1);
    assert!(table.lock().accounts.is_empty());
}

#[test]
fn at_the_limit_of_bytes_the_oldest_equal_lease_gives_way_if_that_makes_room() {
    let table = LeaseTable::default();
    let value = HashedToken::from_stored("value");
    let heavy = |number, bytes| {
        let new = on("value", number);
        let place = table.reserve(&new, bytes, Some(&value), up_to(9))?;
        let over = table.open(place, Arc::new(new), None);
        Ok::<_, AccountFull>(over.map(|over| over.id.clone()))
    };
    assert_eq!(heavy(1, 30), Ok(None));
    assert_eq!(heavy(2, 70), Ok(None));
    assert_eq!(heavy(3, 30), Ok(Some(LeaseId::from_random(1))));
    assert_eq!(heavy(4, 80).unwrap_err().reached, LimitReached::Bytes);
    assert_eq!(table.len(), 2, "nothing ended for what is refused");
    assert_eq!(heavy(4, 70), Ok(Some(LeaseId::from_random(2))));
    let other = lease(5, 7, 60);
    assert!(table.reserve(&other, 1, None, up_to(9)).is_err(), "unequal");
}

#[test]
fn as_many_at_once_as_there_are_equal_leases_take_their_places_also_above_a_lowered_limit() {
    let table = LeaseTable::default();
    let value = HashedToken::from_stored("value");
    for number in 0..4 {
        table.rebuild(Arc::new(on("value", number)), 30);
    }
    // Four, where two may be; 120 bytes, where 100 may.
    let limits = LeaseTotals {
        leases: 2,
        bytes: 100,
    };
    let news: Vec<_> = (10..14).map(|number| on("value", number)).collect();
    let places: Vec<_> = news
        .iter()
        .map(|new| table.reserve(new, 30, Some(&value), limits).unwrap())
        .collect();
    assert!(
        table
            .reserve(&on("value", 20), 30, Some(&value), limits)
            .is_err()
    );
    for (place, new) in places.into_iter().zip(news) {
        assert!(table.open(place, Arc::new(new), None).is_some());
    }
    assert_eq!(table.len(), 4);
    assert!(
        table
            .reserve(&on("value", 21), 31, Some(&value), limits)
            .is_err()
    );
}

#[test]
fn leases_expire_in_order_and_exactly_once() {
    let table = LeaseTable::default();
    for (number, ttl) in [(1, 30), (2, 10), (3, 20)] {
        take(&table, lease(number, 7, ttl), 9).unwrap();
    }
    assert!(table.expire(at(9)).is_empty());
    let over: Vec<_> = table
        .expire(at(20))
        .iter()
        .map(|lease| lease.id.clone())
        .collect();
    assert_eq!(over, [LeaseId::from_random(2), LeaseId::from_random(3)]);
    assert!(table.expire(at(20)).is_empty());
    assert!(table.end(&LeaseId::from_random(2)).is_none());
    assert_eq!(table.len(), 1);
}

#[tokio::test]
async fn all_who_watch_a_lease_learn_of_every_end_but_not_of_a_renewal() {
    let table = LeaseTable::default();
    for number in [1, 2] {
        take(&table, lease(number, 7, 10), 9).unwrap();
    }
    let [one, two] = [1, 2].map(LeaseId::from_random);
    let watching = |id: &LeaseId| Box::pin(table.until_over(id).unwrap().over());
    let (mut first, mut second) = (watching(&one), watching(&two));
    let mut again = watching(&one);
    assert!(table.renew(lease(2, 7, 50)));
    assert!((&mut first).now_or_never().is_none());
    drop(table.end(&one));
    assert!((&mut first).now_or_never().is_some());
    assert!((&mut again).now_or_never().is_some());
    assert!(table.until_over(&one).is_none());
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(table.expire(at(50)).len(), 1);
    assert!((&mut second).now_or_never().is_some());
}

#[test]
fn a_lease_whose_time_is_over_is_not_found_although_nobody_has_swept_it_away() {
    let table = LeaseTable::default();
    take(&table, lease(1, 7, 10), 9).unwrap();
    let id = LeaseId::from_random(1);
    assert!(table.find(&id, at(9)).is_some());
    assert!(table.find(&id, at(10)).is_none());
}

#[test]
fn a_renewed_lease_ends_at_its_new_end_and_an_ended_one_is_not_renewed() {
    let table = LeaseTable::default();
    take(&table, lease(1, 7, 10), 9).unwrap();
    assert!(table.renew(lease(1, 7, 50)));
    assert!(table.expire(at(10)).is_empty());
    assert_eq!(table.expire(at(50)).len(), 1);
    assert!(!table.renew(lease(1, 7, 90)));
}

#[test]
fn what_was_opened_while_a_renewal_was_being_recorded_stands() {
    let table = LeaseTable::default();
    let opened = |value| Some(HashedToken::from_stored(value));
    let granted = Arc::new(Lease {
        deliver: Delivery::Proxy,
        opened: opened("old"),
        version: Some(1),
        ..on("token", 1)
    });
    take(&table, Arc::clone(&granted), 1).unwrap();
    let (new, stale) = (HashedToken::from_stored("new"), Some(at(1).wall));
    table.note_opened(&granted.id, new.clone(), Some(2), None);
    assert!(table.renew(Arc::clone(&granted)));
    let live = table.find(&granted.id, at(1)).unwrap();
    assert_eq!((&live.opened, live.version), (&opened("new"), Some(2)));

    // The same value, past its time by now.
    table.note_opened(&granted.id, new, Some(2), stale);
    assert!(table.renew(live));
    let live = table.find(&granted.id, at(1)).unwrap();
    assert_eq!(live.stale_since, stale);
}
