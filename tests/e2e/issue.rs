//! P2: nothing is handed out that is not recorded. The rest of what a caller gets is tested in process, in
//! `broker/src/tests/leases/issue.rs`, and what else befalls the log in `broker/src/tests/store`.

use support::scenes::leases::{ASK, live, not_ready};
use support::scenes::log::{refuses_until_fixed, says};
use support::{TestBroker, needs};

/// What the command line makes of it.
#[track_caller]
fn tokenctl_is_refused_and_told_why(broker: &TestBroker) {
    let get = broker.home.ctl(&["get", "label-sync"]);
    assert_eq!((get.code(), get.stdout.as_str()), (Some(6), ""));
    says(&get.stderr, &["audit log", "tokenctl status"]);
    let why = not_ready(broker).unwrap();
    says(&why, &["the audit log cannot be written", "ulimit -f"]);
    let status = broker.home.ctl(&["status"]).success();
    says(&status, &["REFUSES", "larger files"]);
}

#[test]
fn p2_nothing_is_handed_out_when_files_may_not_grow() {
    if !needs::program("prlimit") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    assert_eq!(broker.lease(ASK).status, 201);
    // At last not even the beginning of a new segment can be written, as on a full disk.
    for bytes in ["512", "1"] {
        broker.limit_files(bytes);
        tokenctl_is_refused_and_told_why(&broker);
        refuses_until_fixed(&broker, || broker.limit_files("unlimited"));
        broker.home.ctl(&["audit", "verify"]).success();
    }
    let after = live(&broker);
    let broker = broker.kill().start();
    assert_eq!(live(&broker), after);
    broker.home.ctl(&["audit", "verify"]).success();
}
