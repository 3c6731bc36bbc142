//! Across restarts, kills and locks a lease keeps its end.

use super::*;

#[test]
fn p5_a_lease_until_caller_exit_outlives_the_connection_and_not_the_process_even_if_the_broker_is_down()
 {
    if !needs::program("python3") {
        return;
    }
    for stays in [true, false] {
        let broker = TestBroker::with_label_sync();
        let (mut caller, lease) = caller_until_exit(&broker);
        assert!(is_live(&broker, &lease), "its connection is closed already");
        let home = broker.kill();
        if !stays {
            caller.kill().unwrap();
            caller.wait().unwrap();
        }
        let broker = home.start();
        assert_eq!(is_live(&broker, &lease), stays);
        caller.kill().ok();
        caller.wait().unwrap();
        wait::until(|| !is_live(&broker, &lease));
        wait::until(|| !broker.home.records_of("lease.expired").is_empty());
        let expired = only(&broker.home, "lease.expired", &lease);
        if stays {
            assert_eq!(expired["why"], "caller_exit");
        }
    }
}

#[test]
fn p5_a_killed_broker_keeps_live_leases_with_their_end_and_revives_none_that_ended() {
    let broker = TestBroker::with_label_sync();
    let kept = take(
        &broker,
        r#","permissions":{"issues":"read"},"reason":"kept""#,
    );
    let renewed = take(&broker, r#","ttl":60"#);
    let renewal = broker.http("POST", &format!("{renewed}/renew"), "");
    assert_eq!(renewal.status, 200);
    let revoked = take(&broker, "");
    assert_eq!(broker.http("DELETE", &revoked, "").status, 200);
    let over = take(&broker, r#","ttl":1"#);
    let view = |broker: &TestBroker, path: &str| broker.http("GET", path, "").json();
    let before = (view(&broker, &kept), view(&broker, &renewed));

    let broker = broker.kill().start();
    let after = (view(&broker, &kept), view(&broker, &renewed));
    assert_eq!(before, after);
    assert!(!is_live(&broker, &revoked));
    wait::until(|| !is_live(&broker, &over));

    // And they can still be ended, for good.
    assert_eq!(broker.http("DELETE", &kept, "").status, 200);
    let broker = broker.kill().start();
    assert!(!is_live(&broker, &kept));
    assert!(is_live(&broker, &renewed));
}
