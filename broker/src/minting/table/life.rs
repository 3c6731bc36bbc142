//! How long an installation token lives, by boot time: no one can set that clock.
//!
//! GitHub says by its own clock when a token ends, and the vault keeps that over a restart. The wall
//! clock is believed once, when a token is minted or found; from then on it may jump as it likes.
//!
//! Three questions are asked of a token, and each errs to the side that does no harm: how long a lease
//! may rely on it, whether it is old enough to be known everywhere at GitHub, and whether GitHub has
//! surely ended it by itself.

use std::time::Duration;

use broker_clock::Now;
use jiff::Timestamp;

use crate::lease::time_between;

/// How long GitHub honours an installation token: one hour from minting. A ceiling for planning; the
/// end of a real one came with it.
///
/// Source: GitHub REST documentation, “Generating an installation access token for a GitHub App”.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// So long before its token ends, a lease that goes on gets the next one. Ours: time enough for GitHub to be down
/// for a while.
pub(crate) const AHEAD: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenLife {
    minted: Duration,
    good_until: Duration,
    over: Duration,
}

impl TokenLife {
    /// The life of a token that was asked for at one moment and there at another, and ends at GitHub
    /// when it said.
    pub(crate) fn minted(asked: Now, there: Now, expires_at: Timestamp) -> Self {
        let left = time_between(asked.wall, expires_at).min(TOKEN_LIFETIME);
        Self {
            minted: there.boot,
            good_until: asked.boot + left,
            over: there.boot + TOKEN_LIFETIME,
        }
    }

    /// The life of a token that a broker before this one kept. Only the wall clock says how old it is;
    /// that it is over within the hour is sure without it.
    pub(crate) fn restored(now: Now, minted_at: Timestamp, expires_at: Timestamp) -> Self {
        // A clock that shows a time before the minting says nothing.
        let left = if now.wall < minted_at {
            Duration::ZERO
        } else {
            time_between(now.wall, expires_at).min(TOKEN_LIFETIME)
        };
        Self {
            minted: now.boot.saturating_sub(time_between(minted_at, now.wall)),
            good_until: now.boot + left,
            over: now.boot + TOKEN_LIFETIME,
        }
    }

    /// How long it can be relied on from this moment of boot time.
    pub(crate) const fn left(&self, at: Duration) -> Duration {
        self.good_until.saturating_sub(at)
    }

    /// Whether it is time for the next one.
    pub(crate) fn ends_soon(&self, at: Duration) -> bool {
        self.left(at) < AHEAD
    }

    pub(crate) const fn age(&self, at: Duration) -> Duration {
        at.saturating_sub(self.minted)
    }

    /// Whether GitHub has ended it by itself, whatever the wall clock says.
    pub(crate) fn is_over(&self, at: Duration) -> bool {
        at >= self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_clock::{Clock as _, ManualClock};

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn clock() -> ManualClock {
        ManualClock::at("2026-11-21T07:00:00Z".parse().unwrap())
    }

    #[test]
    fn the_wall_clock_may_jump_a_day_ahead_and_a_day_back_and_the_token_ends_after_its_hour() {
        let clock = clock();
        let wall = clock.now().wall;
        let life = TokenLife::minted(clock.now(), clock.now(), wall + TOKEN_LIFETIME);
        for set_to in [wall + DAY, wall - DAY] {
            clock.set_wall(set_to);
            assert_eq!(life.left(clock.now().boot), TOKEN_LIFETIME);
            assert_eq!(life.age(clock.now().boot), Duration::ZERO);
            assert!(!life.is_over(clock.now().boot));
        }
        clock.advance(59 * MINUTE);
        assert_eq!(life.left(clock.now().boot), MINUTE);
        assert!(!life.is_over(clock.now().boot));
        clock.advance(MINUTE);
        assert_eq!(life.left(clock.now().boot), Duration::ZERO);
        assert!(life.is_over(clock.now().boot));
    }

    #[test]
    fn a_token_is_good_for_as_long_as_github_said_when_it_was_asked_and_never_for_more_than_an_hour()
     {
        let clock = clock();
        let asked = clock.now();
        clock.advance(MINUTE);
        let there = clock.now();
        let life = |minutes: u32| TokenLife::minted(asked, there, asked.wall + minutes * MINUTE);
        assert_eq!(life(40).left(there.boot), 39 * MINUTE);
        assert_eq!(
            life(600).left(there.boot),
            59 * MINUTE,
            "its clock is ahead"
        );
        assert!(!life(40).is_over(there.boot + 50 * MINUTE));
        assert!(life(40).is_over(there.boot + TOKEN_LIFETIME));
    }

    #[test]
    fn of_a_found_token_the_wall_clock_tells_how_long_it_is_good_but_not_that_it_is_over() {
        let clock = clock();
        let minted = clock.now().wall;
        let found =
            |clock: &ManualClock| TokenLife::restored(clock.now(), minted, minted + TOKEN_LIFETIME);
        clock.advance(20 * MINUTE);
        let now = clock.now().boot;
        let life = found(&clock);
        assert_eq!((life.left(now), life.age(now)), (40 * MINUTE, 20 * MINUTE));
        for set_to in [minted + DAY, minted - DAY] {
            clock.set_wall(set_to);
            let life = found(&clock);
            assert_eq!(life.left(now), Duration::ZERO);
            assert!(!life.is_over(now + 59 * MINUTE));
            assert!(life.is_over(now + TOKEN_LIFETIME));
        }
    }
}
