//! New policies decide about the leases of the old ones.

use super::*;

#[test]
fn p5_a_reload_ends_the_leases_that_the_new_policies_would_not_grant() {
    let hour = r#"{ default = "15m", max = "1h" }"#;
    let tightened = [
        ("another caller", policy("{ uid = 4242 }", hour)),
        (
            "a shorter life",
            policy(&own(), r#"{ default = "1m", max = "1m" }"#),
        ),
        (
            "fewer permissions",
            policy(&own(), hour).replace("write", "read"),
        ),
        (
            "other repositories",
            policy(&own(), hour).replace("acme/*", "acme/one"),
        ),
    ];
    for (why, text) in tightened {
        let broker = InProcess::with_label_sync();
        let lease = take(&broker, "");
        broker.home.policy("label-sync.toml", &text);
        broker.reload();
        assert!(!is_live(&broker, &lease), "{why}");
        wait::until(|| !broker.home.records_of("lease.revoked").is_empty());
        let revoked = only(&broker.home, "lease.revoked", &lease);
        assert_eq!(revoked["why"], "no longer allowed by policy");
        assert!(revoked.get("by").is_none(), "the broker did");
    }
}

#[test]
fn the_record_of_a_load_says_who_had_it_done() {
    let broker = InProcess::with_label_sync();
    let at_start = broker.home.records_of("policy.loaded").pop().unwrap();
    assert_eq!(
        (&at_start["on"], at_start.get("by")),
        (&json!("start"), None)
    );
    broker.reload();
    broker.home.policy("broken.toml", "nonsense = 1\n");
    assert_eq!(broker.http("POST", "/v1/policies/reload", "").status, 400);
    for kind in ["policy.loaded", "policy.refused"] {
        let record = broker.home.records_of(kind).pop().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        assert_eq!(
            (&record["by"]["uid"], record.get("on")),
            (&json!(own), None),
            "{kind}"
        );
    }
}

#[test]
fn a_reload_leaves_alone_what_the_new_policies_still_allow() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, r#","permissions":{"issues":"read"},"ttl":60"#);
    let before = broker.http("GET", &lease, "").json();
    let text = policy(&own(), r#"{ default = "1m", max = "1m" }"#).replace("write", "read");
    broker.home.policy("label-sync.toml", &text);
    let reloaded = broker.http("POST", "/v1/policies/reload", "").json();
    assert_eq!(reloaded["revoked"], json!([]));
    assert_eq!(broker.http("GET", &lease, "").json(), before);
}

#[test]
fn a_refused_set_of_policies_leaves_the_old_one_in_force_loudly() {
    let broker = InProcess::with_label_sync();
    let lease = take(&broker, "");
    let fault = || broker.http("GET", "/v1/status", "").json()["broker"]["policy_fault"].clone();
    assert_eq!(fault(), Value::Null);

    broker
        .home
        .policy("broken.toml", "purpose = \"broken\"\nnonsense = 1\n");
    let answer = broker.http("POST", "/v1/policies/reload", "");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!("bad_request"))
    );
    assert!(
        fault().as_str().unwrap().contains("broken.toml:2"),
        "{}",
        fault()
    );
    assert!(is_live(&broker, &lease), "the old set is in force");
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let refused = broker.home.records_of("policy.refused");
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0]["why"]
            .as_str()
            .unwrap()
            .contains("broken.toml:2")
    );

    fs::remove_file(broker.home.places.policies.join("broken.toml")).unwrap();
    broker.reload();
    assert_eq!(fault(), Value::Null);
}
