//! What goes wrong is said clearly, with what to do and the documented exit code; nothing is lost by
//! it and nothing handed out.

mod log_at_start;
mod log_while_running;
mod start;
mod vault;

use std::os::unix::net::UnixStream;
use std::path::Path;

use support::broker::Ran;
use support::{Home, TestBroker};

const ASK: &str = r#"{"purpose":"label-sync"}"#;

/// Starts the broker, which must refuse, with exit code 1 and all these words.
#[track_caller]
fn refused(home: Home, words: &[&str]) -> Home {
    match TestBroker::try_start(home, |_| {}) {
        Ok(_) => panic!("the broker started; it should have said {words:?}"),
        Err((home, ran)) => {
            assert_eq!(ran.code(), Some(1), "{ran:?}");
            says(&ran.stderr, words);
            assert!(ran.stderr.contains("tokend: error: "), "{}", ran.stderr);
            let served = UnixStream::connect(&home.places.socket).is_ok();
            assert!(!served, "nothing is served");
            home
        }
    }
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not said: {text}");
    }
}

/// `tokenctl get`, which must fail with this exit code and these words, and print no token.
#[track_caller]
fn no_token(home: &Home, code: i32, words: &[&str]) {
    let Ran { stdout, stderr, .. } = {
        let ran = home.ctl(&["get", "label-sync"]);
        assert_eq!(ran.code(), Some(code), "{ran:?}");
        ran
    };
    assert_eq!(stdout, "");
    says(&stderr, words);
}

/// Takes a lease and returns its id.
#[track_caller]
fn lease(broker: &TestBroker) -> String {
    let answer = broker.lease(ASK);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["lease"].as_str().unwrap().to_owned()
}

/// The ids of live leases, in order.
fn live(broker: &TestBroker) -> Vec<String> {
    let answer = broker.http("GET", "/v1/leases", "").json();
    let leases = answer["leases"].as_array().unwrap();
    let id = |lease: &serde_json::Value| lease["lease"].as_str().unwrap().to_owned();
    let mut ids: Vec<_> = leases.iter().map(id).collect();
    ids.sort();
    ids
}

/// Why the broker would not grant, as `/readyz` tells an operator; `None` if it would.
fn not_ready(broker: &TestBroker) -> Option<String> {
    let answer = broker.http("GET", "/readyz", "");
    (answer.status != 200).then(|| String::from_utf8(answer.body).unwrap())
}

/// The log's last segment.
fn last_segment(home: &Home) -> std::path::PathBuf {
    files_ending(&home.places.audit, ".jsonl").pop().unwrap()
}

fn files_ending(directory: &Path, end: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    found.sort();
    found
}
