//! Leases for `label-sync`: how they are taken, and what is seen of them.

use jiff::Timestamp;
use serde_json::Value;

use crate::broker::LABEL_SYNC;
use crate::{AnyBroker, Home};

/// Asks for one.
pub const ASK: &str = r#"{"purpose":"label-sync"}"#;

/// The purpose with this `[[allow]]` caller and this ttl.
#[must_use]
pub fn policy(caller: &str, ttl: &str) -> String {
    LABEL_SYNC
        .replace("{ uid = UID }", caller)
        .replace(r#"{ default = "15m", max = "1h" }"#, ttl)
}

/// Takes a lease and returns its path. `more` are further fields of the request.
#[track_caller]
pub fn take(broker: &impl AnyBroker, more: &str) -> String {
    let body = format!(r#"{{"purpose":"label-sync"{more}}}"#);
    let answer = broker.http("POST", "/v1/leases", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    path_of(&answer.json())
}

/// Takes a lease and returns its id.
#[track_caller]
pub fn lease(broker: &impl AnyBroker) -> String {
    take(broker, "").replace("/v1/leases/", "")
}

/// The path of a lease, from the answer that handed it out.
#[must_use]
pub fn path_of(lease: &Value) -> String {
    format!("/v1/leases/{}", lease["lease"].as_str().unwrap())
}

/// Whether the lease with this path is live.
#[track_caller]
pub fn is_live(broker: &impl AnyBroker, path: &str) -> bool {
    match broker.http("GET", path, "").status {
        200 => true,
        404 => false,
        status => panic!("{status}"),
    }
}

/// The ids of live leases, in order.
pub fn live(broker: &impl AnyBroker) -> Vec<String> {
    let answer = broker.http("GET", "/v1/leases", "").json();
    let leases = answer["leases"].as_array().unwrap();
    let id = |lease: &Value| lease["lease"].as_str().unwrap().to_owned();
    let mut ids: Vec<_> = leases.iter().map(id).collect();
    ids.sort();
    ids
}

/// Why the broker would not grant, as `/readyz` tells an operator; `None` if it would.
pub fn not_ready(broker: &impl AnyBroker) -> Option<String> {
    let answer = broker.http("GET", "/readyz", "");
    (answer.status != 200).then(|| String::from_utf8(answer.body).unwrap())
}

/// The moment in a field.
#[must_use]
pub fn at(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The one record of this kind, which must be about the lease with this path.
#[track_caller]
pub fn only(home: &Home, kind: &str, path: &str) -> Value {
    let mut records = home.records_of(kind);
    assert_eq!(records.len(), 1, "{records:?}");
    let record = records.remove(0);
    assert!(path.ends_with(record["lease"].as_str().unwrap()));
    record
}
