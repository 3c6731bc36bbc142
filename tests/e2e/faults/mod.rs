//! What goes wrong is said clearly, with what to do and the documented exit code; nothing is lost by
//! it and nothing handed out.

mod log_at_start;
mod log_while_running;
mod start;
mod vault;

use std::os::unix::net::UnixStream;

use support::broker::Ran;
use support::scenes::log::says;
use support::{Home, TestBroker};

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
