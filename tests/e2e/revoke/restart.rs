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
