//! A hook that fails, as the command line tells it. What is warned of, and by a webhook, is tested in process, in
//! `broker/src/tests/warnings.rs`.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::scenes::warnings::{heard, hook};
use support::{Home, TestBroker, canary, wait};

const SECRET: &str = "org-label-sync-token";

/// A date this many days after the broker started.
fn in_days(broker: &TestBroker, days: i32) -> String {
    let status = broker.http("GET", "/v1/status", "").json();
    let started: Timestamp = status["broker"]["started_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let date = started.checked_add(SignedDuration::from_hours(24) * days);
    date.unwrap().strftime("%Y-%m-%dT12:00:00Z").to_string()
}

fn set(broker: &TestBroker, name: &str, value: &str, expires: &str) {
    let arguments = ["secret", "set", name, "--expires", expires];
    broker.home.ctl_with(&arguments, value).success();
}

/// A home whose broker holds a value that ends in five days, stopped before it warned of that.
fn ending_soon() -> Home {
    let home = Home::ready();
    let broker = home.start();
    set(&broker, SECRET, canary::CLASSIC, &in_days(&broker, 5));
    let home = broker.stop();
    assert_eq!(home.records_of("deadline.warned").len(), 0);
    home
}

fn channels(broker: &TestBroker) -> Value {
    let status = broker.http("GET", "/v1/status", "").json();
    status["broker"]["warning_channels"].clone()
}

#[test]
fn a_hook_that_fails_holds_nothing_up_shows_in_status_and_is_told_after_the_next_start() {
    let home = ending_soon();
    let file = hook(&home, "echo 'no pager today' >&2; exit 3");
    let broker = home.start();
    wait::until(|| channels(&broker)[0]["failing_since"].is_string());
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(lease.status, 201);
    assert_eq!(channels(&broker)[0]["waiting"], 1);
    let status = broker.home.ctl(&["status"]).success();
    let why = "1 waiting, FAILS since ";
    assert!(status.contains(why), "{status}");
    assert!(status.contains("exit code 3: no pager today"), "{status}");
    let doctor = broker.home.ctl(&["doctor"]);
    assert_eq!(doctor.code(), Some(1));
    let wrong =
        "wrong: warnings do not reach the hook (1 waiting): the hook ended with exit code 3";
    assert!(doctor.stdout.contains(wrong), "{doctor:?}");
    let home = broker.stop();

    // It had happened all the same: the next time it is told the same, by the same id.
    hook(&home, "");
    let broker = home.start();
    wait::until(|| heard(&file).len() > 1 && channels(&broker)[0]["waiting"] == 0);
    let heard = heard(&file);
    assert_eq!(heard[0], heard[1]);
    assert_eq!(broker.stop().records_of("deadline.warned").len(), 1);
}
