//! GraphQL: what is read, what is changed, what each call is noted to have touched. Without GitHub's schema these
//! tests say so and are skipped.

mod access;
mod changing;
mod commits;
mod every_field;
mod gh;
mod limits;
mod projects;
mod reading;
mod touched;

use serde_json::{Value, json};

use super::super::{StandIn, Touched, schema};
use crate::github::ask::tell;
use crate::scenes::graphql::{OTHER, TOKEN, world};

fn github() -> Option<StandIn> {
    let schema = schema()?;
    Some(StandIn::with_schema(world(), &schema))
}

/// The whole answer to a document.
fn post(github: &StandIn, document: &str, variables: &Value) -> Value {
    post_as(github, TOKEN, document, variables)
}

fn post_as(github: &StandIn, token: &str, document: &str, variables: &Value) -> Value {
    let body = json!({ "query": document, "variables": variables });
    let got = tell(github, "POST /graphql", token, &body);
    assert_eq!(got.status, 200, "{got:?}");
    got.json()
}

/// The data of an answer that has no errors.
#[track_caller]
fn data(github: &StandIn, document: &str, variables: &Value) -> Value {
    let mut answer = post(github, document, variables);
    assert!(answer["errors"].is_null(), "{document}: {answer}");
    answer["data"].take()
}

/// The only error of an answer: its type and its message.
#[track_caller]
fn error(github: &StandIn, document: &str, variables: &Value) -> (String, String) {
    let answer = post(github, document, variables);
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    let text = |name: &str| errors[0][name].as_str().unwrap_or_default().to_owned();
    (text("type"), text("message"))
}

/// A mutation with an input, and what is wanted of its answer.
#[track_caller]
fn mutate(github: &StandIn, name: &str, input: &Value, wanted: &str) -> Value {
    let mut given = data(github, &mutation(name, wanted), &json!({ "input": input }));
    given[name].take()
}

fn mutation(name: &str, wanted: &str) -> String {
    let (first, rest) = name.split_at(1);
    let input = format!("{}{rest}Input", first.to_uppercase());
    format!("mutation($input: {input}!) {{ {name}(input: $input) {{ {wanted} }} }}")
}

/// What the last call read and changed.
fn last(github: &StandIn) -> Touched {
    github.touched().pop().unwrap()
}

/// The id of the object that a document leads to: `repository(…){id}`.
fn id_of(github: &StandIn, path: &str) -> String {
    let given = data(github, &format!("{{{path}}}"), &Value::Null);
    let mut value = &given;
    while let Some(fields) = value.as_object() {
        value = fields.values().next().unwrap();
    }
    value.as_str().unwrap().to_owned()
}

fn site(github: &StandIn) -> String {
    id_of(github, r#"repository(owner: "acme", name: "site") { id }"#)
}

fn issue(github: &StandIn, number: u64) -> String {
    let path = format!("issueOrPullRequest(number: {number}) {{ ... on Node {{ id }} }}");
    id_of(
        github,
        &format!(r#"repository(owner: "acme", name: "site") {{ {path} }}"#),
    )
}
