//! `docs/openapi.json`, written from the sources: the routes from `broker/src/api`, the bodies from
//! `crates/protocol`, and from `frame.json` what Rust does not say (patterns, examples, refusals).
//!
//! Sources are read and not run, so nothing that ships links a generator. Whatever this does not
//! understand is a failure, and the end-to-end tests hold a running broker to the file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a panic is how a test fails"
)]

mod json;
mod routes;
mod schemas;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use json::Node;
use routes::Routes;
use schemas::Schemas;
use source::Sources;

const HOW: &str = "UPDATE_OPENAPI=1 cargo test -p broker-tests --test openapi";

#[test]
fn the_description_of_the_api_is_what_the_sources_say() {
    let file = root().join("docs/openapi.json");
    let wanted = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap();
    let mut lines = there.lines().zip(wanted.lines()).enumerate();
    let differs = lines.find(|(_, (there, wanted))| there != wanted);
    assert!(
        there == wanted,
        "docs/openapi.json is not what the sources say; run: {HOW}\nfirst difference: {differs:?}"
    );
}

fn document() -> Node {
    let frame: Node = serde_json::from_str(include_str!("frame.json")).unwrap();
    let protocol = Sources::read(&root().join("crates/protocol/src"));
    let api = Sources::read(&root().join("broker/src/api"));
    let mut schemas = Schemas::new(&protocol, &frame);
    let paths = Routes::new(&api, &frame).paths(&mut schemas);
    let components = Node::map([
        ("schemas", schemas.finish()),
        ("parameters", frame.at("parameters").clone()),
        ("responses", frame.at("responses").clone()),
    ]);
    let mut document = frame.at("document").clone();
    document.set("paths", paths);
    document.set("components", components);
    document
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
