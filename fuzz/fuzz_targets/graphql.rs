//! `cargo +nightly fuzz run graphql`: whatever a document looks like, what goes on of it is read as the same again, and
//! where it starts at a repository of one lease, another lease refuses it.
//!
//! The input is the document; `$owner` and `$name` are sent with it.

#![no_main]

use broker_policy::reach::Scope;
use broker_policy::reach::graphql::{Allowed, Asked};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let body = json!({ "query": query, "variables": { "owner": "acme", "name": "site" } });
    let Some(allowed) = allowed("acme/site", &body) else {
        return;
    };
    let sent: Value = serde_json::from_slice(&allowed.body).expect("what goes on is JSON");
    let again = self::allowed("acme/site", &sent).expect("what goes on is within the lease");
    assert_eq!(again.body, allowed.body);
    assert_eq!(again.holding, allowed.holding);
    if allowed.holding.fields.contains("repository") {
        assert_eq!(allowed.holding.touches.len(), 1);
        assert!(self::allowed("other/site", &sent).is_none());
    }
});

fn allowed(repository: &str, body: &Value) -> Option<Allowed> {
    let asked = Asked::read(body.to_string().as_bytes()).ok()?;
    let permissions = ["issues", "pull_requests", "contents"];
    let permissions = permissions.map(|name| {
        let name = name.parse().expect("a permission");
        (name, "write".parse().expect("a level"))
    });
    let scope = Scope {
        repositories: &[repository.parse().expect("a repository")],
        organization: None,
        permissions: &permissions.into_iter().collect(),
        paths: &[],
    };
    asked.allow(&scope).ok()
}
