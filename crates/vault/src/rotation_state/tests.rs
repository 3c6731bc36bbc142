//! Rotations and sinks by the second.

use super::*;

fn wall(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

/// As many seconds after a moment of some boot.
fn at(second: u64) -> Moment {
    let boot = Some((broker_clock::BootId::new("a boot"), 5_000_000));
    Moment::stored(wall(0), boot).after(Duration::from_secs(second))
}

fn version(number: u64) -> Version {
    Version {
        number,
        hashed_credential: format!("hash {number}").into(),
    }
}

fn swapped() -> Rotation {
    Rotation::begin(Some(version(1)), version(2), false, &at(0))
}

#[test]
fn a_rotation_goes_through_its_steps_in_order() {
    let by = EndedBy::Broker;
    let rotation = swapped();
    assert_eq!(rotation.due(2, by, &at(0)), Due::Push);
    assert_eq!(rotation.due(0, by, &at(0)), Due::Verify);
    let rotation = rotation.verified(&at(1));
    assert_eq!(rotation.due(0, by, &at(1)), Due::Confirm);
    assert_eq!(rotation.wakes_at(Due::Confirm, &at(1)), None);
    let rotation = rotation.confirmed(at(60)).unwrap();
    assert_eq!(rotation.due(0, by, &at(2)), Due::RevokeAt(wall(60)));
    assert_eq!(rotation.due(0, by, &at(60)), Due::Revoke);
    assert_eq!(rotation.wakes_at(Due::Revoke, &at(60)), Some(wall(60)));
    assert!(rotation.is_awake(Due::Revoke, &at(60)));
    let rotation = rotation.revoking(&at(60)).unwrap();
    assert_eq!(rotation.due(0, by, &at(60)), Due::Revoke);
    let rotation = rotation.asked(&at(60));
    assert_eq!(rotation.due(0, by, &at(60)), Due::Prove);
    let rotation = rotation.finished(&at(62));
    assert_eq!(rotation.due(0, by, &at(62)), Due::Nothing);
    assert!(!rotation.is_under_way());
    assert_eq!(rotation.ended_at, Some(wall(62)));
}

#[test]
fn nothing_is_ended_while_a_sink_still_holds_the_old_value() {
    let rotation = swapped().verified(&at(1)).confirmed(at(1)).unwrap();
    assert_eq!(rotation.due(1, EndedBy::Broker, &at(9)), Due::Push);
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(9)), Due::Revoke);
}

#[test]
fn nothing_is_ended_before_it_is_verified() {
    let rotation = swapped().confirmed(at(0)).unwrap();
    assert_eq!(rotation.revoking(&at(1)), Err(NotNow::NotVerified));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(1)), Due::Verify);
    let rotation = rotation.verified(&at(1));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(1)), Due::Revoke);
}

#[test]
fn what_the_broker_cannot_end_waits_for_a_person_and_is_looked_at_now_and_then() {
    let rotation = swapped().verified(&at(1));
    assert_eq!(rotation.due(0, EndedBy::Operator, &at(1)), Due::Delete);
    let rotation = rotation.still_alive("GitHub takes it", &at(1));
    assert_eq!(rotation.next_at, at(1 + 3600));
}

#[test]
fn what_github_will_not_end_is_left_to_an_operator_and_cannot_be_undone_all_the_same() {
    let revoking = swapped().verified(&at(1)).revoking(&at(2)).unwrap();
    let refused = revoking.left_to_an_operator().failed("422", None, &at(2));
    assert_eq!(refused.due(0, EndedBy::Broker, &at(3)), Due::Delete);
    assert_eq!(refused.may_roll_back(), Err(NotNow::TooLate));
    let looked = refused.still_alive("GitHub takes it", &at(3));
    assert_eq!(looked.due(0, EndedBy::Broker, &at(3)), Due::Delete);
    assert_eq!(looked.next_at, at(3 + 3600));
}

#[test]
fn whoever_drives_a_rotation_has_half_a_minute_for_each_step_before_the_broker_takes_it() {
    let wakes = |rotation: &Rotation, due| rotation.wakes_at(due, &at(0));
    let rotation = swapped();
    assert_eq!(wakes(&rotation, Due::Push), Some(wall(30)));
    assert_eq!(wakes(&rotation, Due::Verify), Some(wall(30)));
    assert!(!rotation.is_awake(Due::Verify, &at(29)));
    assert!(rotation.is_awake(Due::Verify, &at(30)));
    let verified = rotation.verified(&at(20));
    assert_eq!(wakes(&verified, Due::Erase), Some(wall(50)));
    assert_eq!(
        wakes(&verified, Due::Confirm),
        None,
        "not the broker's to say"
    );
    let back = verified.rolling_back(3, &at(40));
    assert_eq!(wakes(&back, Due::Push), Some(wall(70)));
}

#[test]
fn a_state_from_before_a_refusal_was_kept_reads_as_one_without() {
    let rotation = swapped();
    let mut value = serde_json::to_value(&rotation).unwrap();
    value.as_object_mut().unwrap().remove("refused");
    assert_eq!(serde_json::from_value::<Rotation>(value).unwrap(), rotation);
}

#[test]
fn it_can_be_undone_until_the_old_value_is_ended() {
    let rotation = swapped();
    assert_eq!(rotation.may_roll_back(), Ok(&version(1)));
    let verified = rotation.verified(&at(1));
    assert!(verified.is_reversible());
    let revoking = verified.revoking(&at(2)).unwrap();
    assert_eq!(revoking.may_roll_back(), Err(NotNow::TooLate));
    assert_eq!(
        revoking.finished(&at(3)).may_roll_back(),
        Err(NotNow::Ended)
    );
    let first = Rotation::begin(None, version(1), false, &at(0));
    assert_eq!(first.may_roll_back(), Err(NotNow::NoOldValue));
    let regenerated = Rotation::begin(Some(version(1)), version(2), true, &at(0));
    assert_eq!(regenerated.may_roll_back(), Err(NotNow::TooLate));
}

#[test]
fn the_way_back_goes_through_the_sinks_too() {
    let rotation = swapped().verified(&at(1)).rolling_back(3, &at(2));
    assert_eq!(rotation.due(1, EndedBy::Broker, &at(2)), Due::Push);
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(2)), Due::Erase);
    assert_eq!(rotation.confirmed(at(3)), Err(NotNow::GoingBack));
    let rotation = rotation.rolled_back(&at(3));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(3)), Due::Nothing);
    assert_eq!(rotation.confirmed(at(3)), Err(NotNow::Ended));
}

#[test]
fn a_value_that_died_already_needs_no_confirmation_but_a_proof() {
    let rotation = Rotation::begin(Some(version(1)), version(2), true, &at(0));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(0)), Due::Verify);
    let rotation = rotation.verified(&at(1));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(1)), Due::Prove);
    // It was a passing error after all: then an operator decides.
    let rotation = rotation.still_alive("GitHub takes it", &at(2));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(2)), Due::Confirm);
}

#[test]
fn a_first_value_has_nothing_to_end() {
    let rotation = Rotation::begin(None, version(1), false, &at(0)).verified(&at(1));
    assert_eq!(rotation.due(0, EndedBy::Broker, &at(1)), Due::Erase);
    assert_eq!(rotation.revoking(&at(1)), Err(NotNow::NoOldValue));
}

#[test]
fn attempts_are_spaced_and_github_s_own_wish_counts() {
    let mut rotation = swapped();
    let mut waits = Vec::new();
    for _ in 0..10 {
        rotation = rotation.failed("GitHub does not answer", None, &at(0));
        waits.push(rotation.next_at.wall().as_second() - wall(0).as_second());
    }
    assert_eq!(waits[..4], [15, 30, 60, 120]);
    assert_eq!(waits[9], 3600);
    let told = swapped().failed("limited", Some(Duration::from_secs(900)), &at(0));
    assert_eq!(told.next_at, at(900));
    let moved = rotation.verified(&at(5));
    assert_eq!((moved.attempts, moved.failure), (0, None));
}

#[test]
fn looks_at_a_dying_token_are_spaced_too() {
    let mut rotation = swapped().verified(&at(0)).asked(&at(0));
    assert_eq!(rotation.next_at, at(1));
    for _ in 0..20 {
        rotation = rotation.still_alive("GitHub takes it", &at(0));
    }
    assert_eq!(rotation.next_at, at(3600));
}

#[test]
fn a_state_reads_back_as_written() {
    let rotation = swapped().verified(&at(1)).failed("no", None, &at(2));
    let text = serde_json::to_string(&rotation).unwrap();
    assert_eq!(serde_json::from_str::<Rotation>(&text).unwrap(), rotation);
    let sink = SinkState::untouched(&at(0)).failed("no", None, &at(1));
    let text = serde_json::to_string(&sink).unwrap();
    assert_eq!(serde_json::from_str::<SinkState>(&text).unwrap(), sink);
}

#[test]
fn the_end_of_the_old_value_comes_when_its_time_has_passed_and_not_when_the_wall_clock_is_set() {
    let by = EndedBy::Broker;
    let day = Duration::from_secs(24 * 3600);
    let confirmed = swapped().verified(&at(1)).confirmed(at(1).after(day));
    let text = serde_json::to_string(&confirmed.unwrap()).unwrap();
    // Another run of the broker in the same boot, after the clock was set three days ahead.
    let rotation: Rotation = serde_json::from_str(&text).unwrap();
    let boot = |id, seconds: u64| Some((broker_clock::BootId::new(id), (5 + seconds) * 1_000_000));
    let three_days = 3 * 24 * 3600;
    let set_ahead = Moment::stored(wall(three_days + 60), boot("a boot", 60));
    let due = rotation.due(0, by, &set_ahead);
    assert_eq!(due, Due::RevokeAt(wall(three_days + 1 + 24 * 3600)));
    assert!(!rotation.is_awake(due, &set_ahead));
    let set_back = Moment::stored(wall(-three_days), boot("a boot", 1 + 24 * 3600));
    assert_eq!(rotation.due(0, by, &set_back), Due::Revoke);
    assert!(rotation.is_awake(Due::Revoke, &set_back));
    // In another boot only the wall clock is left.
    let rebooted = |second| Moment::stored(wall(second), boot("another", 0));
    assert_eq!(rotation.due(0, by, &rebooted(1 + 24 * 3600)), Due::Revoke);
    let early = rotation.due(0, by, &rebooted(24 * 3600));
    assert_eq!(early, Due::RevokeAt(wall(1 + 24 * 3600)));
}

#[test]
fn an_attempt_that_a_wrong_clock_put_off_for_days_is_due_in_the_next_boot() {
    let failed = swapped().failed("GitHub does not answer", None, &at(0));
    let sink = SinkState::untouched(&at(0)).failed("no", None, &at(0));
    let rebooted = |second| {
        let boot = Some((broker_clock::BootId::new("another"), 0));
        Moment::stored(wall(second), boot)
    };
    for (now, awake) in [(0, false), (15, true), (-86_400, true)] {
        let now = rebooted(now);
        assert_eq!(failed.is_awake(Due::Verify, &now), awake, "{now:?}");
        assert_eq!(sink.is_awake(&now), awake, "{now:?}");
    }
}

#[test]
fn a_state_from_before_boots_were_kept_reads_as_one_by_the_wall_clock() {
    let mut value = serde_json::to_value(swapped().confirmed(at(60)).unwrap()).unwrap();
    for field in ["next_at", "revoke_at"] {
        value[field] = serde_json::json!(wall(60));
    }
    let rotation: Rotation = serde_json::from_value(value).unwrap();
    assert_eq!(rotation.revoke_at, Some(Moment::stored(wall(60), None)));
    assert!(rotation.has_waited(&at(60)) && !rotation.has_waited(&at(59)));
}
