//! What GitHub really answered, once: the broker's client understands it, header by header.
//!
//! The recordings are npm `@octokit/fixtures`: exchanges of a test account with api.github.com, with all
//! headers. They hold no App and no fine-grained token; what they do hold is checked completely.

use std::path::Path;

use broker_github::{Call, Credential, GitHubError, Method, Reply, Retry};
use broker_secret_memory::token::AccessToken;
use serde_json::Value;
use support::github::{Effect, Fault, StandIn, World};
use support::needs;

use crate::client;

#[test]
fn recorded_answers_of_the_real_github_are_understood() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let exchanges = recorded(&tools.join("node_modules/@octokit/fixtures/scenarios"));
    assert!(exchanges.len() > 100, "only {} recordings", exchanges.len());
    let github = StandIn::start(World::new());
    let token = AccessToken::new("ghp_recorded".to_owned());
    let mut with_limits = 0;
    for exchange in &exchanges {
        // Each its own client: what one answer says of a limit must not keep the next back.
        let client = client::to(&github.plain());
        let headers = headers(exchange);
        let status = u16::try_from(exchange["status"].as_u64().unwrap()).unwrap();
        github.fault(replay(exchange, status, &headers));
        let call = Call {
            method: Method::from_bytes(method(exchange).as_bytes()).unwrap(),
            path: exchange["path"].as_str().unwrap().to_owned(),
            credential: Credential::Token(&token),
            principal: None,
            body: None,
            retry: Retry::Once,
        };
        let said = client::run(client.call(call));
        let what = format!("{} {} {status}", method(exchange), exchange["path"]);
        match (status, said) {
            (200..300 | 304, Ok(reply)) => {
                agrees(&reply, &headers, exchange, &what);
                with_limits += usize::from(reply.headers.rate.is_some());
            }
            (404, Err(GitHubError::NotFound { .. })) => {}
            (422, Err(GitHubError::Unprocessable { .. })) => {}
            // No credential is sent where an answer points.
            (300..400, Err(error)) => assert!(!matches!(error, GitHubError::BadAnswer { .. })),
            (_, Ok(_)) => panic!("{what}: taken for a success"),
            (_, Err(error)) => panic!("{what}: {error}"),
        }
    }
    assert!(
        with_limits > 100,
        "only {with_limits} answers had rate limits"
    );
}

fn agrees(reply: &Reply, recorded: &[(String, String)], exchange: &Value, what: &str) {
    let header = |name: &str| {
        let mut all = recorded.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let list = |name: &str| {
        header(name).map(|value| {
            let scopes = value
                .split(',')
                .map(str::trim)
                .filter(|scope| !scope.is_empty());
            scopes.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let headers = &reply.headers;
    assert_eq!(headers.scopes, list("x-oauth-scopes"), "{what}");
    assert_eq!(headers.date.is_some(), header("date").is_some(), "{what}");
    assert_eq!(
        headers.request_id.as_deref(),
        header("x-github-request-id"),
        "{what}"
    );
    let limit = headers.rate.as_ref();
    let rate = limit.map(|limit| &limit.rate);
    let number = |name: &str| header(name).map(|text| text.parse::<u64>().unwrap());
    assert_eq!(
        rate.map(|rate| rate.limit),
        number("x-ratelimit-limit"),
        "{what}"
    );
    assert_eq!(
        rate.map(|rate| rate.remaining),
        number("x-ratelimit-remaining"),
        "{what}"
    );
    let reset = rate.map(|rate| u64::try_from(rate.reset_at.as_second()).unwrap());
    assert_eq!(reset, number("x-ratelimit-reset"), "{what}");
    assert_eq!(
        limit.map(|limit| &*limit.resource),
        header("x-ratelimit-resource"),
        "{what}"
    );
    let next = header("link").is_some_and(|link| link.contains("rel=\"next\""));
    assert_eq!(headers.next.is_some(), next, "{what}");
    if exchange["response"].is_object() || exchange["response"].is_array() {
        assert_eq!(
            reply.json::<Value>().unwrap(),
            exchange["response"],
            "{what}"
        );
    }
}

fn recorded(directory: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(recorded(&path));
        } else if path.ends_with("raw-fixture.json") {
            let text = std::fs::read(&path).unwrap();
            found.extend(serde_json::from_slice::<Vec<Value>>(&text).unwrap());
        }
    }
    // Answers of other hosts, such as archives, are none of the API.
    found.retain(|one| one["scope"].as_str().unwrap().contains("api.github.com"));
    found
}

/// Names and values, without what belongs to the connection of then, and with links that point to the
/// stand-in as the real ones point to the real one.
fn headers(exchange: &Value) -> Vec<(String, String)> {
    const OF_THE_CONNECTION: &[&str] = &[
        "connection",
        "content-length",
        "transfer-encoding",
        "content-encoding",
    ];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all: Vec<(String, String)> = match &exchange["rawHeaders"] {
        Value::Object(headers) => headers
            .iter()
            .map(|(name, value)| match value {
                Value::Array(many) => (name.clone(), text(many.last().unwrap())),
                one => (name.clone(), text(one)),
            })
            .collect(),
        Value::Array(flat) => flat
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
        other => panic!("headers of another form: {other}"),
    };
    all.into_iter()
        .filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.to_lowercase().as_str()))
        .collect()
}

fn replay(exchange: &Value, status: u16, headers: &[(String, String)]) -> Fault {
    let body = match &exchange["response"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        json => json.to_string(),
    };
    let effect = Effect::Replay {
        status,
        headers: headers.to_vec(),
        body,
    };
    Fault::on("* /**").effect(effect).times(1)
}

fn method(exchange: &Value) -> String {
    exchange["method"].as_str().unwrap().to_uppercase()
}
