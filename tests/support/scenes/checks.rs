//! Checks of secrets, and what they find.

use serde_json::Value;

use crate::AnyBroker;
use crate::described::ask;

/// Checks one secret, and holds the answer to the API's description.
#[track_caller]
pub fn checked(broker: &impl AnyBroker, name: &str) -> Value {
    let path = format!("/v1/secrets/{name}/check");
    let (status, body) = ask(broker, "POST", "/v1/secrets/{name}/check", &path, "");
    assert_eq!(status, 200, "{body}");
    body["check"].clone()
}

/// The words of what is not as it should be.
#[must_use]
pub fn faults(check: &Value) -> Vec<&str> {
    let findings = check["findings"].as_array().unwrap().iter();
    let faults =
        findings.filter(|f| ["warning", "error"].contains(&f["verdict"].as_str().unwrap()));
    faults
        .map(|finding| finding["word"].as_str().unwrap())
        .collect()
}
