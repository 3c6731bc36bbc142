//! A full disk, and other hands on the log, while the broker runs.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;

use support::broker::Ran;
use support::{TestBroker, needs, wait};

use super::{ASK, files_ending, last_segment, lease, live, no_token, not_ready, refused, says};
use support::forge::forged_grant;

/// From now on no file of this broker's may grow past `bytes`.
fn limit_files(broker: &TestBroker, bytes: &str) {
    let pid = broker.pid().to_string();
    let limit = format!("--fsize={bytes}");
    Ran::of(Command::new("prlimit").args(["--pid", &pid, &limit])).success();
}

/// Waits until the log takes records again by itself, and takes a lease.
fn lease_once_mended(broker: &TestBroker) -> String {
    wait::until(|| not_ready(broker).is_none());
    lease(broker)
}

#[test]
fn p2_on_a_full_disk_nothing_is_handed_out_and_with_room_it_recovers_by_itself() {
    if !needs::program("prlimit") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    // Not even the beginning of a new segment can be written.
    limit_files(&broker, "1:unlimited");

    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["code"], "audit_unavailable");
    assert!(answer.json().get("token").is_none());
    no_token(&broker.home, 6, &["audit log", "tokenctl status"]);
    let why = not_ready(&broker).unwrap();
    says(&why, &["the audit log cannot be written", "ulimit -f"]);
    let status = broker.home.ctl(&["status"]).success();
    says(&status, &["REFUSES", "larger files"]);
    assert_eq!(broker.http("GET", "/healthz", "").status, 200);
    assert_eq!(live(&broker), std::slice::from_ref(&held));

    // An end takes effect all the same, and is recorded later.
    let ended = broker.http("DELETE", &format!("/v1/leases/{held}"), "");
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(live(&broker), [""; 0]);

    limit_files(&broker, "unlimited:unlimited");
    let after = lease_once_mended(&broker);
    let home = broker.kill();
    let revoked = home.records_of("lease.revoked");
    assert_eq!(revoked[0]["lease"], held.as_str());
    let broker = home.start();
    assert_eq!(live(&broker), [after]);
    broker.home.ctl(&["audit", "verify"]).success();
}

#[test]
fn a_log_deleted_under_the_broker_refuses_until_that_very_file_is_back() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let segment = last_segment(&broker.home);
    let aside = broker.home.path().join("aside");
    fs::rename(&segment, &aside).unwrap();
    no_token(&broker.home, 6, &[]);
    says(
        &not_ready(&broker).unwrap(),
        &["was deleted or replaced", "put that very file back"],
    );
    fs::rename(&aside, &segment).unwrap();
    let mut both = vec![held, lease_once_mended(&broker)];
    both.sort();
    let broker = broker.kill().start();
    assert_eq!(live(&broker), both);
}

#[test]
fn a_log_deleted_for_good_is_refused_at_the_next_start_too_until_a_new_one_is_begun() {
    let broker = TestBroker::with_label_sync();
    lease(&broker);
    fs::remove_file(last_segment(&broker.home)).unwrap();
    no_token(&broker.home, 6, &[]);
    let home = refused(broker.stop(), &["audit", "--new-audit-log"]);
    let home = refused(home, &["audit", "--new-audit-log"]);
    home.ctl(&["init", "--new-audit-log"]).success();
    let broker = home.start();
    assert_eq!(
        live(&broker),
        [""; 0],
        "leases of the lost log are not honoured"
    );
    lease(&broker);
    broker.home.ctl(&["audit", "verify"]).success();
}

#[test]
fn a_log_cut_under_the_broker_refuses_and_says_what_is_missing() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let segment = last_segment(&broker.home);
    let whole = fs::read(&segment).unwrap();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(whole.len() as u64 - 100).unwrap();
    no_token(&broker.home, 6, &[]);
    says(
        &not_ready(&broker).unwrap(),
        &["audit log", "put the audit log back"],
    );
    assert_eq!(live(&broker), [held], "what was acknowledged stands");
    fs::write(&segment, whole).unwrap();
    lease_once_mended(&broker);
}

#[test]
fn a_grant_appended_under_the_broker_with_a_good_chain_is_moved_aside_and_makes_no_lease() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let segment = last_segment(&broker.home);
    let (line, forged) = forged_grant(&broker.home);
    let mut file = OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(&line).unwrap();
    assert_eq!(live(&broker), std::slice::from_ref(&held));
    // Whoever asks next is refused, because it is then that it is noticed.
    says(
        &String::from_utf8(broker.lease(ASK).body).unwrap(),
        &["audit_unavailable"],
    );
    let mut leases = vec![held, lease_once_mended(&broker)];
    leases.sort();
    assert_eq!(live(&broker), leases);

    let torn = files_ending(&broker.home.places.audit, ".torn");
    assert_eq!(fs::read(&torn[0]).unwrap(), line, "kept as evidence");
    let recovered = broker.home.records_of("log.recovered");
    says(
        recovered[0]["why"].as_str().unwrap(),
        &["changed by another program"],
    );
    let broker = broker.kill().start();
    assert_eq!(live(&broker), leases);
    assert!(!broker.home.records().concat().contains(&forged));
}
