//! Policies are loaded again by a signal. What that does to leases is tested in process, in
//! `broker/src/tests/leases/reload.rs`.

use super::*;

#[test]
fn a_signal_loads_policies_again_and_a_refused_set_leaves_the_old_one_in_force_loudly() {
    let broker = TestBroker::with_label_sync();
    let lease = take(&broker, "");
    let broken = broker.home.places.policies.join("broken.toml");
    broker
        .home
        .policy("broken.toml", "purpose = \"broken\"\nnonsense = 1\n");
    broker.signal(Signal::SIGHUP);
    wait::until(|| broker.home.records_of("policy.refused").len() == 1);
    let refused = broker.home.records_of("policy.refused").remove(0);
    assert_eq!(
        (&refused["on"], refused.get("by")),
        (&json!("SIGHUP"), None)
    );
    assert!(broker.home.trace().contains("the old ones stay in force"));
    assert!(is_live(&broker, &lease), "the old set is in force");

    fs::remove_file(broken).unwrap();
    let hour = r#"{ default = "15m", max = "1h" }"#;
    let text = policy("{ uid = 4242 }", hour);
    broker.home.policy("label-sync.toml", &text);
    broker.signal(Signal::SIGHUP);
    wait::until(|| !is_live(&broker, &lease));
    let loaded = broker.home.records_of("policy.loaded").pop().unwrap();
    assert_eq!((&loaded["on"], loaded.get("by")), (&json!("SIGHUP"), None));
}
