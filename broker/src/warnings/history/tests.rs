use std::time::Duration;

use broker_clock::{Clock as _, ManualClock};
use proptest::prelude::*;

use super::super::{Warning, WarningKind};
use super::*;

const SET: &str = "2026-01-01T00:00:00Z";

fn both() -> BTreeSet<ChannelName> {
    BTreeSet::from([ChannelName::Hook, ChannelName::Webhook])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// To be rotated on the first of April.
fn ninety_days() -> Deadline {
    Deadline::of(Some(at(SET)), Some(hours(90 * 24)), None)
}

fn fresh(version: u64, deadline: &Deadline, now: Timestamp) -> Option<NewWarning> {
    let subject = DeadlineOf::Secret {
        name: &"source-pat".parse().unwrap(),
        version: Some(version),
    };
    due(subject, deadline, now)
}

fn floor(subject: &str, now: Timestamp) -> NewWarning {
    let warning = Warning {
        kind: WarningKind::RateFloor,
        subject: subject.to_owned(),
        secret: None,
        text: format!("{subject} runs low"),
        hint: None,
    };
    NewWarning {
        occasion: Box::default(),
        mark: now,
        notice: Notice::of(warning, now),
    }
}

/// What a restart makes of it.
fn restarted(
    history: &mut WarningHistory,
    rows: &mut BTreeMap<Box<str>, StoredWarning>,
) -> WarningHistory {
    for row in history.take_unkept() {
        rows.insert(row.key.clone(), row);
    }
    let mut after = WarningHistory::default();
    after.read(rows.values().cloned().collect(), &both());
    after
}

fn add(history: &mut WarningHistory, fresh: Option<NewWarning>, now: Timestamp) -> bool {
    fresh.is_some_and(|fresh| history.add(fresh, both(), now))
}

#[test]
fn each_warning_of_a_deadline_is_given_once_across_restarts() {
    let clock = ManualClock::at(at(SET));
    let (mut history, mut rows) = (WarningHistory::default(), BTreeMap::new());
    let mut days_left = Vec::new();
    for hour in 0..24 * 93 {
        let now = clock.now().wall;
        let deadline = ninety_days();
        if add(&mut history, fresh(1, &deadline, now), now) {
            days_left.push(deadline.days_left(now).unwrap());
        }
        if hour % 7 == 0 {
            history = restarted(&mut history, &mut rows);
        }
        clock.advance(hours(1));
    }
    assert_eq!(days_left, [30, 14, 7, 1, 0, -1, -2]);
}

#[test]
fn thresholds_that_passed_while_the_broker_was_off_give_one_warning() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-31T12:00:00Z");
    assert!(add(&mut history, fresh(1, &ninety_days(), now), now));
    assert!(!add(&mut history, fresh(1, &ninety_days(), now), now));
    assert_eq!(history.waiting(ChannelName::Hook, 9).len(), 1);
}

#[test]
fn a_new_version_or_a_moved_deadline_starts_over() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-19T00:00:00Z");
    assert!(add(&mut history, fresh(1, &ninety_days(), now), now));
    assert!(add(&mut history, fresh(2, &ninety_days(), now), now));
    let moved = Deadline::of(Some(at(SET)), Some(hours(89 * 24)), None);
    assert!(add(&mut history, fresh(2, &moved, now), now));
    assert!(!add(&mut history, fresh(2, &moved, now), now));
    assert_eq!(history.waiting(ChannelName::Hook, 9).len(), 1, "the last");
}

#[test]
fn a_clock_that_was_ahead_silences_nothing_for_long() {
    let mut history = WarningHistory::default();
    let (wrong, now) = (at("2030-01-01T00:00:00Z"), at("2026-03-26T00:00:00Z"));
    assert!(add(&mut history, fresh(1, &ninety_days(), wrong), wrong));
    assert!(add(&mut history, fresh(1, &ninety_days(), now), now));
    assert!(!add(&mut history, fresh(1, &ninety_days(), now), now));
}

#[test]
fn anything_else_is_warned_of_once_a_day_for_each_subject() {
    let (mut history, mut rows) = (WarningHistory::default(), BTreeMap::new());
    let clock = ManualClock::at(at(SET));
    let mut said = 0;
    for _ in 0..49 {
        let now = clock.now().wall;
        said += usize::from(add(&mut history, Some(floor("user a", now)), now));
        history = restarted(&mut history, &mut rows);
        clock.advance(hours(1));
    }
    assert_eq!(said, 3);
    let now = clock.now().wall;
    assert!(add(&mut history, Some(floor("user b", now)), now));
    assert_eq!(
        history.of_last_day(now),
        ["user a runs low", "user b runs low"],
        "for status"
    );
    clock.advance(hours(24));
    assert_eq!(history.of_last_day(clock.now().wall), [""; 0]);
}

#[test]
fn what_has_not_arrived_waits_for_each_channel_on_its_own_across_restarts() {
    let (mut history, mut rows) = (WarningHistory::default(), BTreeMap::new());
    let now = at("2026-03-19T00:00:00Z");
    add(&mut history, fresh(1, &ninety_days(), now), now);
    add(&mut history, Some(floor("user a", now)), now);
    let waiting = history.waiting(ChannelName::Hook, 1);
    assert_eq!(&*waiting[0].key(), "deadline/source-pat");
    assert_eq!(waiting.len(), 1, "at most one");
    history.delivered(ChannelName::Hook, &waiting);
    history = restarted(&mut history, &mut rows);
    let count = |history: &WarningHistory| {
        [ChannelName::Hook, ChannelName::Webhook].map(|name| history.count_waiting(name))
    };
    assert_eq!(count(&history), [1, 2]);
    let all = history.waiting(ChannelName::Webhook, 9);
    assert_eq!(all[0], waiting[0], "word for word after a restart");
    history.delivered(ChannelName::Webhook, &all);
    history = restarted(&mut history, &mut rows);
    assert_eq!(count(&history), [1, 0]);
    assert!(!add(&mut history, fresh(1, &ninety_days(), now), now));
}

#[test]
fn a_newer_warning_still_waits_when_the_one_before_it_arrives() {
    let mut history = WarningHistory::default();
    let (first, later) = (at("2026-03-19T00:00:00Z"), at("2026-03-25T00:00:00Z"));
    add(&mut history, fresh(1, &ninety_days(), first), first);
    let on_its_way = history.waiting(ChannelName::Hook, 9);
    add(&mut history, fresh(1, &ninety_days(), later), later);
    history.delivered(ChannelName::Hook, &on_its_way);
    assert_eq!(history.count_waiting(ChannelName::Hook), 1);
}

#[test]
fn one_who_no_longer_hears_of_warnings_waits_for_none() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-19T00:00:00Z");
    add(&mut history, fresh(1, &ninety_days(), now), now);
    let rows = history.take_unkept();
    let mut after = WarningHistory::default();
    after.read(rows, &BTreeSet::from([ChannelName::Webhook]));
    assert_eq!(after.count_waiting(ChannelName::Hook), 0);
    assert_eq!(after.count_waiting(ChannelName::Webhook), 1);
}

#[test]
fn a_notice_in_the_row_of_another_is_told_to_no_one() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-19T00:00:00Z");
    add(&mut history, Some(floor("user a", now)), now);
    let mut rows = history.take_unkept();
    rows[0].key = "rate_floor/user b".into();
    let mut after = WarningHistory::default();
    after.read(rows, &both());
    assert_eq!(after.count_waiting(ChannelName::Hook), 0);
    assert!(after.waiting(ChannelName::Hook, 9).is_empty());
}

#[test]
fn what_is_over_is_forgotten_and_no_longer_told() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-19T00:00:00Z");
    add(&mut history, fresh(1, &ninety_days(), now), now);
    add(&mut history, Some(floor("user a", now)), now);
    let keys = BTreeSet::from(["deadline/source-pat".into()]);
    assert_eq!(history.drop_others(&keys, now), [] as [Box<str>; 0]);
    let rotated = history.drop_others(&BTreeSet::new(), now);
    assert_eq!(rotated, ["deadline/source-pat".into()]);
    assert_eq!(history.count_waiting(ChannelName::Hook), 1);
    let old = at("2026-04-25T00:00:00Z");
    assert_eq!(history.drop_others(&BTreeSet::new(), old).len(), 1);
}

#[test]
fn what_could_not_be_kept_is_kept_the_next_time() {
    let mut history = WarningHistory::default();
    let now = at("2026-03-19T00:00:00Z");
    add(&mut history, fresh(1, &ninety_days(), now), now);
    let rows = history.take_unkept();
    assert_eq!(history.take_unkept(), []);
    history.not_kept(&["deadline/source-pat".into()]);
    assert_eq!(history.take_unkept(), rows);
}

proptest! {
    /// However rounds, restarts and time fall, no warning of one deadline is history twice.
    #[test]
    fn no_mark_is_warned_of_twice(steps in prop::collection::vec((1..200u64, any::<bool>()), 1..60)) {
        let clock = ManualClock::at(at(SET));
        let (mut history, mut rows) = (WarningHistory::default(), BTreeMap::new());
        let mut ids = BTreeSet::new();
        for (pause, restart) in steps {
            clock.advance(hours(pause));
            let now = clock.now().wall;
            if let Some(fresh) = fresh(1, &ninety_days(), now)
                && history.add(fresh.clone(), both(), now)
            {
                prop_assert!(ids.insert(fresh.notice.id));
            }
            if restart {
                history = restarted(&mut history, &mut rows);
            }
        }
    }
}
