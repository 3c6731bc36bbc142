//! What another account cannot learn by asking, over the socket. More of it is tested in process, in
//! `broker/src/tests/leases/deny.rs`.

use serde_json::Value;
use support::accounts::{ALICE, can_be_used, open_to_all, request, shown, three_accounts};
use support::{Home, canary};

#[test]
fn p7_another_account_cannot_tell_a_purpose_of_others_from_one_that_does_not_exist() {
    if !can_be_used() {
        return;
    }
    let (broker, _socket) = open_to_all(three_accounts(Home::ready()), "");
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    let lease = |body: &str| request(&broker, ALICE, "POST", "/v1/leases", body);
    let bodies = [
        r#"{"purpose":"NAME"}"#,
        r#"{"purpose":"NAME","permissions":{"issues":"admin"},"ttl":999999}"#,
        r#"{"purpose":"NAME","repositories":["other/site"],"reason":"why not"}"#,
    ];
    for body in bodies {
        let ask = |name| {
            let answer = lease(&body.replace("NAME", name));
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

    // The log tells an operator which it was, and who asked.
    let denied = broker.home.records_of("lease.denied");
    let why: Vec<&Value> = denied.iter().map(|record| &record["why"]).collect();
    assert_eq!(why[..2], ["no rule matches the caller", "no such purpose"]);
    for record in &denied {
        assert_eq!(record["caller"]["uid"], ALICE);
    }
    // Her own she is given.
    assert_eq!(lease(r#"{"purpose":"job-alic"}"#).status, 201);
}
