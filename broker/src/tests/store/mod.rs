//! What a start and a running broker make of files that are damaged, missing or not theirs.

mod log_at_start;
mod log_while_running;
mod start;
mod values;
mod vault;

use std::path::Path;

use broker_protocol::causes;
use support::Home;
use support::scenes::leases::{ASK, lease, live, not_ready};
use support::scenes::log::{append, cut, files_ending, last_segment, says};

use super::InProcess;
use super::in_process::{begin_a_new_log, ready};

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

/// A lease must be refused with this code and these words, and without a token.
#[track_caller]
fn no_token(broker: &InProcess, code: &str, words: &[&str]) {
    let problem = broker.lease(ASK).json();
    assert_eq!(problem["code"], code, "{problem}");
    assert!(problem.get("token").is_none());
    says(&problem.to_string(), words);
}
