//! What suspends, reboots and clocks that jump do to live leases. The kernel plays them: a time namespace moves boot
//! time, a bind mount gives the boot another name.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Home, TestBroker, namespace, needs};

/// Whether boots can be played here.
fn can_be_played() -> bool {
    needs::root() && needs::program("unshare") && needs::path("/proc/self/ns/time")
}

/// Makes `tokend` start with its boot time moved, in the boot of this name if one is given.
fn later(home: &Path, seconds: i64, boot: Option<&str>) -> impl FnOnce(&mut Command) + use<> {
    let name = home.join("boot_id");
    if let Some(boot) = boot {
        fs::write(&name, format!("{boot}\n")).unwrap();
    }
    let seconds = seconds.to_string();
    let renamed = boot.is_some();
    move |tokend| {
        let options = ["--time", "--boottime", &seconds];
        let boot = [(name.as_path(), "/proc/sys/kernel/random/boot_id")];
        namespace::enter(tokend, &options, &boot[..usize::from(renamed)]);
    }
}

const REBOOTED: &str = "11111111-2222-4333-8444-555555555555";

/// A broker that is started again from time to time, with a lease of 15 minutes and one of an hour.
fn with_two_leases() -> (TestBroker, Value, Value) {
    let broker = TestBroker::with_label_sync();
    let take = |body| {
        let answer = broker.lease(body);
        assert_eq!(answer.status, 201);
        answer.json()
    };
    let short = take(r#"{"purpose":"label-sync","ttl":900}"#);
    let long = take(r#"{"purpose":"label-sync","ttl":3600}"#);
    (broker, short, long)
}

fn restarted(home: Home, seconds: i64, boot: Option<&str>) -> TestBroker {
    let change = later(home.path(), seconds, boot);
    TestBroker::start(home, change)
}

/// What moves boot time to `seconds` after a boot.
fn since_boot(seconds: i64) -> i64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime = uptime.split('.').next().unwrap();
    seconds - uptime.parse::<i64>().unwrap()
}

/// When this lease ends; `None` if it is not live.
fn end(broker: &TestBroker, lease: &Value) -> Option<Value> {
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    let answer = broker.http("GET", &path, "");
    (answer.status == 200).then(|| answer.json()["expires_at"].clone())
}

#[test]
fn p5_time_spent_in_suspend_counts_whatever_the_wall_clock_says() {
    if !can_be_played() {
        return;
    }
    let (broker, short, long) = with_two_leases();
    let broker = restarted(broker.kill(), 1800, None);
    assert_eq!(end(&broker, &short), None);
    assert_eq!(end(&broker, &long).as_ref(), Some(&long["expires_at"]));
    let expired = broker.home.records_of("lease.expired");
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["lease"], short["lease"]);
    assert_eq!(expired[0]["why"], "ttl");
}

#[test]
fn p5_after_a_reboot_the_wall_clock_decides_and_then_boot_time_again() {
    if !can_be_played() {
        return;
    }
    let (broker, short, long) = with_two_leases();
    let broker = restarted(broker.kill(), since_boot(30), Some(REBOOTED));
    assert_eq!(end(&broker, &short).as_ref(), Some(&short["expires_at"]));
    assert_eq!(end(&broker, &long).as_ref(), Some(&long["expires_at"]));

    // Renewed here, it is this boot's.
    let path = format!("/v1/leases/{}/renew", short["lease"].as_str().unwrap());
    let renewed = broker.http("POST", &path, r#"{"ttl":600}"#);
    assert_eq!(renewed.status, 200);
    let renewed = renewed.json();
    assert_eq!(renewed["issued_at"], short["issued_at"]);
    let ends = |lease: &Value| lease["renewable_until"].as_str().unwrap().to_owned();
    assert!(ends(&renewed) <= ends(&short), "not a second longer for it");
    let broker = restarted(broker.kill(), since_boot(1030), Some(REBOOTED));
    assert_eq!(end(&broker, &short), None);
    assert_eq!(end(&broker, &long).as_ref(), Some(&long["expires_at"]));
}
