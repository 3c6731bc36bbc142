//! 1Password limits how often it is asked, and so does the broker.

use support::broker::like_label_sync;

use super::*;

const TODAY: &str = "tokend_source_requests_today";

#[test]
fn a_loop_of_crashes_goes_on_counting_what_was_asked() {
    let (_scratch, op) = op();
    let mut broker = broker(&op, "");
    let mut counted = 0;
    for _ in 0..5 {
        assert_leased(&broker, canary::CLASSIC);
        let requests = figure(&broker, TODAY).unwrap();
        assert!(requests > counted, "{requests} after {counted}");
        assert!(requests >= op.used(), "never fewer than it made");
        counted = requests;
        broker = broker.kill().start();
        assert_eq!(figure(&broker, TODAY), Some(counted), "before it asks");
    }
    let path = "/v1/sources/probe";
    let (_, probed) = ask(&broker, "POST", path, path, "");
    // The individual's plan, unless told otherwise: a thousand a day, of which half.
    assert_eq!(probed["one_password"]["allowed"], 500);
    assert!(probed["one_password"]["requests"].as_u64() > Some(counted));
}

fn lease_of(broker: &TestBroker, purpose: &str) -> (u16, Value) {
    let body = format!("{{\"purpose\":\"{purpose}\"}}");
    ask(broker, "POST", "/v1/leases", "/v1/leases", &body)
}

/// Three secrets, each with a purpose of its name.
fn three(home: &Home) {
    let mut secrets = String::new();
    for name in ["first", "second", "third"] {
        secrets += &format!(
            "[secret.{name}-token]\nkind = \"classic\"\nsource = \"op://{VAULT}/{name}/credential\"\n"
        );
        let purpose = like_label_sync(name, &format!("{name}-token"));
        home.policy(&format!("{name}.toml"), &purpose);
    }
    home.policy("three.toml", &secrets);
}

#[test]
fn a_limit_of_1password_stops_every_reference_and_says_until_when() {
    let (_scratch, op) = op();
    for name in ["first", "second", "third"] {
        op.set(VAULT, name, "credential", canary::CLASSIC_TWO);
    }
    let home = home(&op, "");
    three(&home);
    let broker = started(home, TOKEN);
    // Enough for one value by its name.
    op.allow(3, 58);
    assert_eq!(lease_of(&broker, "first").0, 201);
    let told = |purpose: &str| {
        let answer = broker.lease(&format!("{{\"purpose\":\"{purpose}\"}}"));
        assert_eq!(answer.status, 502, "{answer:?}");
        let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        let detail = answer.json()["detail"].to_string();
        assert!(
            detail.contains(&format!("come back in {after} s")),
            "{detail}"
        );
        after
    };
    let in_58_minutes = 57 * 60..=58 * 60;
    assert!(in_58_minutes.contains(&told("second")));
    let calls = op.calls().len();
    assert!(
        in_58_minutes.contains(&told("third")),
        "never asked for yet"
    );
    assert!(in_58_minutes.contains(&told("second")));
    assert_eq!(op.calls().len(), calls, "nothing more is asked");
    assert_eq!(lease_of(&broker, "first").0, 201, "it is known");
    let doctor = broker.home.ctl(&["doctor"]).stdout;
    let line = "1Password's limit of requests is used up; it answers again in 58 minutes";
    assert!(doctor.contains(line), "{doctor}");
    assert!(
        doctor.contains("1Password has 0 of 3 requests left"),
        "{doctor}"
    );
}
