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
fn what_is_explained_is_in_force_and_the_files_that_are_not_are_named() {
    let broker = InProcess::with_label_sync();
    let explain = || {
        let body = r#"{"purpose":"label-sync"}"#;
        let said = broker.done("POST", "/v1/policies/explain", body).json();
        let changed = broker.http("GET", "/v1/status", "").json();
        let changed = changed["broker"].get("policy_files_changed");
        assert_eq!(said.get("files_changed"), changed);
        (
            said["outcome"].clone(),
            said["rule"].clone(),
            changed.cloned(),
        )
    };
    let rule = json!("label-sync.toml#1");
    assert_eq!(explain(), (json!("allowed"), rule.clone(), None));
    // What is on disk is not what a request meets.
    let hour = r#"{ default = "15m", max = "1h" }"#;
    let policies = &broker.home.places.policies;
    broker
        .home
        .policy("label-sync.toml", &policy("{ uid = 4242 }", hour));
    broker.home.policy("new.toml", "");
    let changed = json!(["label-sync.toml", "new.toml"]);
    assert_eq!(explain(), (json!("allowed"), rule, Some(changed)));
    take(&broker, "");
    broker.reload();
    assert_eq!(explain(), (json!("denied"), Value::Null, None));
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 403);
    // A file that is gone is still in force, and so is all of a set that cannot be read.
    fs::remove_file(policies.join("new.toml")).unwrap();
    assert_eq!(explain().2, Some(json!(["new.toml"])));
    fs::write(policies.join("new.toml"), b"\xff").unwrap();
    let unreadable = explain().2.unwrap();
    let why = unreadable[0].as_str().unwrap();
    assert!(why.ends_with("new.toml is not UTF-8 text"), "{why}");
}

#[test]
fn what_is_asked_is_explained_as_it_would_be_decided() {
    let broker = InProcess::with_label_sync();
    let explain = |body: Value| {
        let said = broker.done("POST", "/v1/policies/explain", &body.to_string());
        said.json()
    };
    let wide = explain(json!({"purpose": "label-sync", "permissions": {"issues": "admin"}}));
    assert_eq!(wide["outcome"], "too_wide");
    let lines = wide["lines"].as_array().unwrap();
    let refused = "refused, too_wide: permission `issues: admin`; the rule allows `write`";
    assert_eq!(lines.last().unwrap(), refused);
    let other = explain(json!({"purpose": "label-sync", "caller": {"uid": 65534}}));
    assert_eq!(other["outcome"], "denied");
    let first = other["lines"][0].as_str().unwrap();
    assert!(first.ends_with(" (uid 65534)"), "{first}");
    let nothing_happened = ["lease.granted", "lease.denied"];
    let records = nothing_happened.map(|kind| broker.home.records_of(kind).len());
    assert_eq!(records, [0, 0]);
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
