//! A start that is refused says why, with what to do and the documented exit code, and serves nothing. What
//! else is refused is tested in process, in `broker/src/tests/store`.

mod start;
mod vault;

use std::os::unix::net::UnixStream;

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
