//! Across restarts, kills and locks a lease keeps its end.

use support::scenes::log::last_segment;

use super::*;

#[test]
fn p5_a_lease_whose_time_ran_out_while_the_broker_was_down_is_not_honoured() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, r#","ttl":60"#);
    let clock = broker.clock.clone();
    let broker = broker.killed(|_| clock.advance(Duration::from_secs(60)));
    assert!(!is_live(&broker, &lease));
    assert_eq!(only(&broker.home, "lease.expired", &lease)["why"], "ttl");
}

#[test]
fn p5_a_revocation_that_could_not_be_recorded_survives_a_kill() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, "");
    let segment = last_segment(&broker.home);
    let away = broker.home.path().join("away");
    fs::rename(&segment, &away).unwrap();
    let revoked = broker.http("DELETE", &lease, "").json();
    assert_eq!(revoked["recorded"], false);
    let broker = broker.killed(|_| fs::rename(&away, &segment).unwrap());
    assert!(!is_live(&broker, &lease), "the vault remembers");
    let expired = only(&broker.home, "lease.expired", &lease);
    assert_eq!(expired["why"], "revoked; the record of it was lost");
}

#[test]
fn p5_a_start_with_tighter_policies_ends_what_they_no_longer_allow() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, "");
    let text = policy(&own(), r#"{ default = "1m", max = "1m" }"#);
    broker.home.policy("label-sync.toml", &text);
    let broker = broker.restarted();
    assert!(!is_live(&broker, &lease));
    let revoked = only(&broker.home, "lease.revoked", &lease);
    assert_eq!(revoked["why"], "no longer allowed by policy");
}

#[test]
fn a_locked_broker_hands_out_nothing_and_live_leases_keep_their_end() {
    let broker = InProcess::with_label_sync();
    let long = take(&broker, "");
    let short = take(&broker, r#","ttl":60"#);
    broker.lock();

    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &json!("locked"))
    );
    assert_eq!(broker.http("GET", "/readyz", "").status, 503);
    let renewed = broker.http("POST", &format!("{long}/renew"), "");
    assert_eq!(renewed.json()["code"], "locked");
    assert!(is_live(&broker, &long));
    broker.clock.advance(Duration::from_secs(60));
    assert!(!is_live(&broker, &short));
    // The list loses it with the next sweep.
    wait::until(|| {
        let list = broker.http("GET", "/v1/leases", "").json();
        list["leases"].as_array().unwrap().len() == 1
    });

    assert_eq!(broker.http("DELETE", &long, "").json()["recorded"], true);
    assert_eq!(broker.http("POST", "/v1/unlock", "").status, 200);
    assert!(!is_live(&broker, &long), "revoked while locked");
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    for kind in ["vault.locked", "vault.unlocked"] {
        assert!(!broker.home.records_of(kind).is_empty(), "{kind}");
    }
}

#[test]
fn p5_after_a_start_without_the_root_key_leases_are_honoured_once_it_is_there() {
    let broker = InProcess::with_label_sync();
    let kept = take(&broker, "");
    let key = broker.home.places.root_key.clone();
    let away = broker.home.path().join("away");
    fs::rename(&key, &away).unwrap();

    let broker = broker.restarted();
    assert!(!is_live(&broker, &kept), "locked: no lease is honoured");
    assert_eq!(
        broker.lease(r#"{"purpose":"label-sync"}"#).json()["code"],
        "locked"
    );
    let refused = broker.http("POST", "/v1/unlock", "");
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (503, &json!("locked"))
    );
    assert_eq!(broker.home.records_of("vault.unlock_refused").len(), 1);

    fs::rename(&away, &key).unwrap();
    assert_eq!(broker.http("POST", "/v1/unlock", "").status, 200);
    assert!(is_live(&broker, &kept));
}

#[test]
fn p5_a_restart_keeps_live_leases_with_their_end_and_revives_none_that_ended() {
    let broker = InProcess::with_label_sync();
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
    let view = |broker: &InProcess, path: &str| broker.http("GET", path, "").json();
    let before = (view(&broker, &kept), view(&broker, &renewed));

    broker.clock.advance(Duration::from_secs(1));
    let broker = broker.restarted();
    let after = (view(&broker, &kept), view(&broker, &renewed));
    assert_eq!(before, after);
    assert!(!is_live(&broker, &revoked));
    assert!(!is_live(&broker, &over));

    // And they can still be ended, for good.
    assert_eq!(broker.http("DELETE", &kept, "").status, 200);
    let broker = broker.restarted();
    assert!(!is_live(&broker, &kept));
    assert!(is_live(&broker, &renewed));
}
