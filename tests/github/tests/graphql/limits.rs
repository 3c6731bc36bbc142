//! Limits of its own, and faults as for any other call.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::{Fault, Resource};
use super::{data, github, issue, mutation, post, site};
use crate::github::ask::{ask, tell};

#[test]
fn its_points_are_not_those_of_rest() {
    let Some(github) = github() else { return };
    let body = json!({ "query": "{ rateLimit { cost limit remaining used nodeCount resetAt } }" });
    let got = tell(&github, "POST /graphql", super::TOKEN, &body);
    assert_eq!(got.header("x-ratelimit-resource"), Some("graphql".into()));
    assert_eq!(got.header("x-ratelimit-used"), Some("1".into()));
    let limit = &got.json()["data"]["rateLimit"];
    assert_eq!((&limit["cost"], &limit["used"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&limit["limit"], &limit["remaining"]),
        (&json!(5000), &json!(4999))
    );
    let rest = ask(&github, "GET /user", super::TOKEN);
    assert_eq!(rest.header("x-ratelimit-resource"), Some("core".into()));
    assert_eq!(rest.header("x-ratelimit-used"), Some("1".into()));
    let overview = ask(&github, "GET /rate_limit", super::TOKEN).json();
    assert_eq!(overview["resources"]["graphql"]["used"], 1);
}

#[test]
fn many_connections_in_each_other_cost_more() {
    let Some(github) = github() else { return };
    let document = r#"{ rateLimit { cost nodeCount } viewer { repositories(first: 100) { nodes {
        issues(first: 50) { nodes { labels(first: 60) { nodes { name } } } }
    } } } }"#;
    let given = data(&github, document, &Value::Null);
    // GitHub's own example: 1 + 100 + 100 × 50 requests.
    assert_eq!(given["rateLimit"]["cost"], 51);
    assert_eq!(given["rateLimit"]["nodeCount"], 100 + 5000 + 300_000);
}

#[test]
fn a_budget_that_is_used_up_is_an_error_in_an_answer_with_status_200() {
    let Some(github) = github() else { return };
    github.change(|state| {
        let now = state.clock.now();
        state
            .limits
            .set_of(Resource::Graphql, "user acme-bot", (5000, 5000), now);
    });
    let answer = post(&github, "{ viewer { login } }", &Value::Null);
    assert_eq!(answer["errors"][0]["type"], "RATE_LIMITED");
    assert_eq!(ask(&github, "GET /user", super::TOKEN).status, 200);
    github.advance(Duration::from_secs(3601));
    data(&github, "{ viewer { login } }", &Value::Null);
}

#[test]
fn errors_and_data_come_at_once() {
    let Some(github) = github() else { return };
    let patch =
        json!({ "errors": [{ "type": "SERVICE_UNAVAILABLE", "message": "Something went wrong" }] });
    github.fault(Fault::on("POST /graphql").patch_body(patch).times(1));
    let answer = post(&github, "{ viewer { login } }", &Value::Null);
    assert_eq!(answer["data"]["viewer"]["login"], "acme-bot");
    assert_eq!(answer["errors"][0]["type"], "SERVICE_UNAVAILABLE");
}

#[test]
fn a_mutation_whose_reply_is_lost_has_happened() {
    let Some(github) = github() else { return };
    let input = json!({ "input": { "repositoryId": site(&github), "title": "lost" } });
    github.fault(Fault::on("POST /graphql").lose_reply().times(1));
    let body = json!({ "query": mutation("createIssue", "issue { id }"), "variables": input });
    assert_ne!(tell(&github, "POST /graphql", super::TOKEN, &body).code, 0);
    assert_eq!(github.change(|state| state.issues("acme/site").len()), 4);
    let call = github.journal().pop().unwrap();
    assert!(call.processed && call.status.is_none());
    assert_eq!(call.graphql.unwrap().changed[0].by, "createIssue");

    let close = json!({ "input": { "issueId": issue(&github, 1) } });
    github.fault(Fault::on("POST /graphql").close_before().times(1));
    let body = json!({ "query": mutation("closeIssue", "issue { id }"), "variables": close });
    assert_ne!(tell(&github, "POST /graphql", super::TOKEN, &body).code, 0);
    assert_eq!(
        github.change(|state| state.issue("acme/site#1").state()),
        "OPEN"
    );
}
