//! The stand-in's clock: the system's, plus what a test adds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that tests move.
#[derive(Debug, Default)]
pub struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// This moment, of the stand-in's world.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "GitHub's clock is not the broker's: this is the one place"
    )]
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// Moves it forward.
    pub fn advance(&mut self, by: Duration) {
        self.ahead += SignedDuration::try_from(by).expect("less than an age");
    }

    /// Moves it back: GitHub's clock is behind the broker's.
    pub fn turn_back(&mut self, by: Duration) {
        self.ahead -= SignedDuration::try_from(by).expect("less than an age");
    }
}

/// As GitHub writes times in JSON: whole seconds, `2016-07-11T22:14:10Z`.
pub(crate) fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As HTTP writes dates: `Sat, 21 Nov 2026 07:00:00 GMT`.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
