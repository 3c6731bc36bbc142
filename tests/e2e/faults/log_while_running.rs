//! A full disk while the broker runs. Other hands on the log are tested in process, in
//! `broker/src/tests/store/log_while_running.rs`.

use std::process::Command;

use support::broker::Ran;
use support::scenes::leases::{ASK, lease, live, not_ready};
use support::scenes::log::says;
use support::{TestBroker, needs, wait};

use super::no_token;

/// From now on no file of this broker's may grow past `bytes`.
fn limit_files(broker: &TestBroker, bytes: &str) {
    let pid = broker.pid().to_string();
    let limit = format!("--fsize={bytes}");
    Ran::of(Command::new("prlimit").args(["--pid", &pid, &limit])).success();
}

/// Waits until the log takes records again by itself, and takes a lease.
fn lease_once_fixed(broker: &TestBroker) -> String {
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
    let after = lease_once_fixed(&broker);
    let home = broker.kill();
    let revoked = home.records_of("lease.revoked");
    assert_eq!(revoked[0]["lease"], held.as_str());
    let broker = home.start();
    assert_eq!(live(&broker), [after]);
    broker.home.ctl(&["audit", "verify"]).success();
}
