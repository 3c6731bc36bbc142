//! However a path is spelled: what reaches GitHub is within the lease, as a careless server reads it. The decision
//! alone is tested with more cases in `crates/policy/src/reach/tests/spellings.rs`.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const PIECES: &[&str] = &[
    "repos",
    "acme",
    "ACME",
    "site",
    "docs",
    "other",
    "labels",
    "issues",
    "1",
    "bug",
    "comments",
    "milestones",
    "user",
    "orgs",
    "graphql",
    "repositories",
    "..",
    ".",
    "%2e%2e",
    "%2E.",
    "%252e%252e",
    "%61cme",
    "d%6fcs",
    "type%2Fbug",
    "..%2f..%2fdocs",
    "%5c..%5cdocs",
    "x%00",
    "site.git",
    "site%20",
    ";",
    "site;x",
    "%",
    "\\",
    "~",
    "*",
];
const BETWEEN: &[&str] = &[
    "/", "/", "/", "/", "/", "%2F", "%2f", "%252F", "//", "/./", "/../", "\\", "%5C",
];
const METHODS: &[&str] = &["GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

fn target() -> impl Strategy<Value = String> {
    let begins = &[
        "",
        "/repos/acme/site",
        "/repos/acme/site/labels",
        "/repos/acme/docs",
        "/repos/acme/site/issues/1",
    ];
    let begins = prop::sample::select(&begins[..]);
    let piece = (prop::sample::select(BETWEEN), prop::sample::select(PIECES));
    let query = prop::sample::select(&["", "", "?page=1", "?/../../docs", "?x=%2e%2e/docs"][..]);
    (begins, prop::collection::vec(piece, 0..5), query).prop_map(|(begins, pieces, query)| {
        let pieces = pieces
            .into_iter()
            .map(|(between, piece)| format!("{between}{piece}"));
        format!("{begins}{}{query}", pieces.collect::<String>())
    })
}

#[test]
fn p8_however_a_path_is_spelled_nothing_outside_the_lease_reaches_github_with_the_stored_token() {
    let scene = Scene::new();
    let lease = scene.lease();
    let cases = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let reached = Cell::new(0);
    let requests = (prop::sample::select(METHODS), target());
    TestRunner::new(cases)
        .run(&requests, |(method, target)| {
            scene.github.forget_calls();
            let close = "connection: close\r\n";
            let request = scene.request(&format!("{method} {target}"), &lease.token, close, "");
            let answer = http::read_rest(&mut scene.send(request.as_bytes()));
            prop_assert!(answer.starts_with(b"HTTP/1.1 "), "{target}: no answer");
            scene.assert_all_within();
            reached.set(reached.get() + scene.reached().len());
            Ok(())
        })
        .unwrap();
    let reached = reached.get();
    assert!(reached > 0, "none of them reached GitHub");
    scene.assert_serves(&lease);
}
