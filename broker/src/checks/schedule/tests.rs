//! The schedule over simulated days.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use broker_clock::{Clock as _, ManualClock};

const EVERY: Duration = Duration::from_secs(86_400);
const SECRETS: usize = 10_000;

fn name(nth: usize) -> SecretName {
    format!("org-label-sync-{nth:05}").parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A broker that only checks, against a GitHub that always answers; each check takes `requests`.
struct Simulation {
    clock: ManualClock,
    schedule: Schedule,
    last: BTreeMap<SecretName, LastCheck>,
    /// The second of every request.
    requests: Vec<i64>,
    checks: BTreeMap<SecretName, usize>,
    each: u32,
}

impl Simulation {
    fn new(secrets: usize, each: u32) -> Self {
        Self {
            clock: ManualClock::at(at("2026-11-21T07:00:00Z")),
            schedule: Schedule::default(),
            last: (0..secrets)
                .map(|nth| (name(nth), LastCheck::default()))
                .collect(),
            requests: Vec::new(),
            checks: BTreeMap::new(),
            each,
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.clock.now().boot + span;
        while self.clock.now().boot < end {
            let now = self.clock.now();
            if self.schedule.wants_plan(now) {
                let until = Schedule::horizon(now);
                let due = self
                    .last
                    .iter()
                    .map(|(name, last)| (due_at(name, EVERY, *last, now.wall), name.clone()));
                let due = due.filter(|(at, _)| *at <= until).collect();
                self.schedule.plan(due, self.last.len(), EVERY, now);
            }
            if let Some(name) = self.schedule.next(now) {
                for nth in 0..self.each {
                    if nth > 0 {
                        self.clock.advance(BETWEEN_REQUESTS);
                    }
                    self.requests.push(self.clock.now().wall.as_second());
                }
                let now = self.clock.now();
                self.schedule.done(now);
                *self.checks.entry(name.clone()).or_default() += 1;
                self.last.insert(
                    name,
                    LastCheck {
                        answered: Some((now.wall, true)),
                        failed_at: None,
                    },
                );
            }
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// A broker that is started again remembers results, and no plan.
    fn restart(&mut self) {
        self.schedule = Schedule::default();
    }

    fn most_in(&self, seconds: i64) -> usize {
        let mut most = 0;
        let mut first = 0;
        for (last, second) in self.requests.iter().enumerate() {
            while self.requests[first] <= second - seconds {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }
}

#[test]
fn ten_thousand_secrets_are_spread_over_the_day_one_request_a_second_at_most() {
    let mut simulation = Simulation::new(SECRETS, 2);
    // The first day catches up, for none was ever checked.
    simulation.run(EVERY);
    assert_eq!(simulation.checks.len(), SECRETS);
    assert_eq!(simulation.most_in(1), 1);
    simulation.requests.clear();
    simulation.checks.clear();
    simulation.run(EVERY);
    assert_eq!(simulation.most_in(1), 1);
    assert!(simulation.checks.values().all(|checks| *checks <= 2));
    // Evenly, two requests each 8.64 s: an hour has 833, and no hour many more.
    let most = simulation.most_in(3600);
    assert!((833..1100).contains(&most), "{most} requests in an hour");
}

#[test]
fn after_a_long_absence_there_is_no_burst_either() {
    let mut simulation = Simulation::new(SECRETS, 2);
    simulation.run(EVERY);
    simulation.requests.clear();
    simulation.checks.clear();
    simulation.clock.advance(EVERY * 10);
    simulation.restart();
    simulation.run(Duration::from_secs(3600));
    // Twice the usual pace, less what the checks themselves take.
    let caught_up = simulation.checks.len();
    assert!((500..=834).contains(&caught_up), "{caught_up}");
    assert_eq!(simulation.most_in(1), 1);
    assert!(simulation.most_in(60) <= 30, "{}", simulation.most_in(60));
    simulation.run(EVERY);
    assert_eq!(
        simulation.checks.len(),
        SECRETS,
        "all of them within about a day"
    );
}

#[test]
fn a_restart_every_minute_checks_nothing_twice() {
    let mut simulation = Simulation::new(4, 1);
    for _ in 0..600 {
        simulation.run(Duration::from_secs(60));
        simulation.restart();
    }
    assert_eq!(simulation.checks.len(), 4);
    // Once at first, and again if its own time came within these ten hours.
    assert!(simulation.checks.values().all(|checks| *checks <= 2));
}

#[test]
fn the_time_of_a_secret_outlives_versions_of_the_program() {
    // Computed with Python from the two descriptions.
    assert_eq!(spread("org-label-sync-token"), 0x3ae8_5d5d_e3eb_b2ba);
    assert_eq!(spread("a"), 0x82a2_a958_a9be_ce5b);
}

#[test]
fn a_refused_token_is_left_alone_for_a_day_unless_its_value_changes() {
    let hourly = Duration::from_secs(3600);
    let now = at("2026-11-21T07:00:00Z");
    let refused = LastCheck {
        answered: Some((now, false)),
        failed_at: None,
    };
    for nth in 0..100 {
        let due = due_at(&name(nth), hourly, refused, now);
        let wait = due.duration_since(now).as_secs();
        assert!((86_400..90_000).contains(&wait), "{wait}");
        // Of another value nothing is known: it is due at once.
        assert!(due_at(&name(nth), hourly, LastCheck::default(), now) <= now);
    }
}

#[test]
fn a_check_that_was_made_while_the_clock_was_ahead_keeps_none_away() {
    let clock = ManualClock::at(at("2026-11-21T07:00:00Z"));
    let made = Moment::new(clock.now(), clock.boot_id());
    clock.advance(Duration::from_secs(3600));
    clock.set_wall(at("2026-11-18T08:00:00Z"));
    // Within the boot it was an hour ago, whatever the wall clock says.
    let now = Moment::new(clock.now(), clock.boot_id());
    let last = LastCheck::of(Some((&made, false)), Some(&made), &now);
    let hour_ago = at("2026-11-18T07:00:00Z");
    assert_eq!(last.answered, Some((hour_ago, false)));
    assert_eq!(last.failed_at, Some(hour_ago));
    // In another boot that is not known, and it is due at once.
    let rebooted = Moment::stored(now.wall(), None);
    let last = LastCheck::of(Some((&made, false)), Some(&made), &rebooted);
    assert_eq!(last, LastCheck::default());
    assert!(due_at(&name(1), EVERY, last, now.wall()) <= now.wall());
}

#[test]
fn what_failed_is_tried_again_a_quarter_of_an_hour_later() {
    let now = at("2026-11-21T07:00:00Z");
    let failed = LastCheck {
        answered: None,
        failed_at: Some(now),
    };
    let due = due_at(&name(1), EVERY, failed, now);
    assert_eq!(due, at("2026-11-21T07:15:00Z"));
}

#[test]
fn a_rest_holds_up_every_check_and_a_shorter_one_does_not_end_it() {
    let clock = ManualClock::at(at("2026-11-21T07:00:00Z"));
    let mut schedule = Schedule::default();
    let now = clock.now();
    schedule.plan(vec![(now.wall, name(1))], 1, EVERY, now);
    schedule.rest(Duration::from_secs(300), now);
    schedule.rest(Duration::from_secs(3), now);
    clock.advance(Duration::from_secs(299));
    assert_eq!(schedule.next(clock.now()), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(schedule.next(clock.now()), Some(name(1)));
    assert_eq!(schedule.next(clock.now()), None);
}

#[test]
fn while_github_is_away_it_is_asked_ever_more_seldom_until_it_answers() {
    let clock = ManualClock::at(at("2026-11-21T07:00:00Z"));
    let mut schedule = Schedule::default();
    let waited = |schedule: &Schedule| (schedule.not_before - clock.now().boot).as_secs();
    for want in [60, 120, 240, 480, 900, 900] {
        schedule.back_off(None, clock.now());
        assert_eq!(waited(&schedule), want);
        clock.advance(Duration::from_secs(want));
    }
    schedule.done(clock.now());
    schedule.back_off(Some(Duration::from_secs(1000)), clock.now());
    assert_eq!(waited(&schedule), 1000);
}

proptest! {
    #[test]
    fn an_answered_check_is_due_again_at_its_own_time_between_half_and_one_and_a_half_intervals(
        nth in 0_usize..1_000_000, hours in 1_u64..48, second in 1_700_000_000_i64..1_900_000_000
    ) {
        let every = Duration::from_secs(hours * 3600);
        let now = Timestamp::from_second(second).unwrap();
        let last = LastCheck { answered: Some((now, true)), failed_at: None };
        let due = due_at(&name(nth), every, last, now);
        let wait = due.duration_since(now).as_secs();
        let whole = i64::try_from(every.as_secs()).unwrap();
        prop_assert!(wait > whole / 2 && wait <= whole + whole / 2 + 1, "{wait}");
        let again = due_at(&name(nth), every, LastCheck { answered: Some((due, true)), failed_at: None }, due);
        prop_assert_eq!(again.duration_since(due).as_secs(), whole);
    }
}
