//! What a caller does not get, and what it cannot learn by asking, seen from another account. More of it is
//! tested in process, in `broker/src/tests/leases/deny.rs`.

use std::io::Write as _;

use serde_json::{Value, json};
use support::accounts::{ALICE, can_be_used, open_to_all, request, shown, three_accounts};
use support::http::{self, Answer};
use support::{Home, TestBroker, canary, wait};

fn with_secret(broker: &TestBroker) {
    broker
        .home
        .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
        .success();
}

#[test]
fn p7_a_purpose_that_is_not_yours_looks_like_one_that_does_not_exist() {
    if !can_be_used() {
        return;
    }
    let (broker, _socket) = open_to_all(three_accounts(Home::ready()), "");
    with_secret(&broker);
    let bodies = [
        r#"{"purpose":"NAME"}"#,
        r#"{"purpose":"NAME","permissions":{"issues":"admin"},"ttl":999999}"#,
        r#"{"purpose":"NAME","repositories":["other/site"],"reason":"why not"}"#,
    ];
    for body in bodies {
        let ask = |name| {
            let answer = request(
                &broker,
                ALICE,
                "POST",
                "/v1/leases",
                &body.replace("NAME", name),
            );
            assert_eq!(answer.status, 403);
            assert_eq!(answer.json()["code"], "denied");
            shown(&answer, name)
        };
        assert_eq!(ask("job-bobs"), ask("job-none"));
        assert_eq!(ask("job-mine"), ask("job-none"));
    }
    let show = |name| {
        let answer = request(&broker, ALICE, "GET", &format!("/v1/purposes/{name}"), "");
        assert_eq!(answer.status, 403);
        shown(&answer, name)
    };
    assert_eq!(show("job-bobs"), show("job-none"));

    // The log tells an operator which it was.
    let why: Vec<_> = broker
        .home
        .records_of("lease.denied")
        .iter()
        .map(|record| record["why"].clone())
        .collect();
    assert_eq!(&why[..2], ["no rule matches the caller", "no such purpose"]);
}

fn refused(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

#[test]
fn too_many_connections_are_turned_away_with_an_answer() {
    let home = Home::ready();
    home.config("[limits]\nconnections = 2\n");
    let broker = home.start();
    let send = |request: &str| {
        let mut stream = http::connect(&broker.socket());
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    // Each with a request under way: it waits for a record that does not come.
    let waits = "GET /v1/audit/records?from=1000000&wait=30";
    let open = [send(waits), send(waits)];
    // An operator's third is given a place, and no lease there.
    let answer = http::read_answer(&mut send("POST /v1/leases")).expect("an answer");
    assert_eq!(refused(&answer), (429, json!("rate_limited")));
    assert_eq!(answer.header("retry-after"), Some("1"));

    drop(open);
    wait::until(|| {
        let mut stream = http::connect(&broker.socket());
        // One that is turned away may be closed before it was written to.
        let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).is_ok()
            && http::read_answer(&mut stream).is_some_and(|answer| answer.status == 200)
    });
}
