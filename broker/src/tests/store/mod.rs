//! What a start and a running broker make of files that are damaged, missing or not theirs.

mod log_at_start;
mod log_while_running;
mod start;
mod vault;

use std::path::{Path, PathBuf};

use broker_protocol::causes;
use support::Home;

use super::InProcess;
use super::in_process::{begin_a_new_log, ready};

const ASK: &str = r#"{"purpose":"label-sync"}"#;

/// Starts the broker, which must refuse, with all these words.
#[track_caller]
fn refused(home: Home, words: &[&str]) -> Home {
    let (home, why) = why_not(home);
    says(&why, words);
    home
}

/// Starts the broker, which must refuse: its home, and why.
#[track_caller]
fn why_not(home: Home) -> (Home, String) {
    match InProcess::try_start(home) {
        Ok(_) => panic!("the broker started"),
        Err(refused) => (refused.0, causes::describe(&refused.1)),
    }
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not said: {text}");
    }
}

/// A lease must be refused with this code and these words, and without a token.
#[track_caller]
fn no_token(broker: &InProcess, code: &str, words: &[&str]) {
    let problem = broker.lease(ASK).json();
    assert_eq!(problem["code"], code, "{problem}");
    assert!(problem.get("token").is_none());
    says(&problem.to_string(), words);
}

/// Takes a lease and returns its id.
#[track_caller]
fn lease(broker: &InProcess) -> String {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["lease"].as_str().unwrap().to_owned()
}

/// The ids of live leases, in order.
fn live(broker: &InProcess) -> Vec<String> {
    let answer = broker.http("GET", "/v1/leases", "").json();
    let leases = answer["leases"].as_array().unwrap();
    let id = |lease: &serde_json::Value| lease["lease"].as_str().unwrap().to_owned();
    let mut ids: Vec<_> = leases.iter().map(id).collect();
    ids.sort();
    ids
}

/// Why the broker would not grant, as `/readyz` tells an operator; `None` if it would.
fn not_ready(broker: &InProcess) -> Option<String> {
    let answer = broker.http("GET", "/readyz", "");
    (answer.status != 200).then(|| String::from_utf8(answer.body).unwrap())
}

/// The log's last segment.
fn last_segment(home: &Home) -> PathBuf {
    files_ending(&home.places.audit, ".jsonl").pop().unwrap()
}

fn files_ending(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    found.sort();
    found
}
