//! At how many places a program is killed by tests that could kill it at every one.
//!
//! With `TOKEND_TEST_KILLS=all` it is every place, as in CI; otherwise the first, the last and every seventh.

use std::env;
use std::sync::Mutex;
use std::thread;

/// How far apart the places are.
#[must_use]
pub fn step() -> usize {
    let all = env::var_os("TOKEND_TEST_KILLS").is_some_and(|kills| kills == "all");
    if all { 1 } else { 7 }
}

/// The places to kill at, out of so many, counted from 0.
pub fn of(places: usize) -> impl Iterator<Item = usize> {
    (0..places).filter(move |place| place.is_multiple_of(step()) || place + 1 == places)
}

/// Has something killed at its first call, at others [`step`] apart until it lives through all of them,
/// and at its last one. `killed_at` does it from the beginning and returns whether it was killed; returns
/// how often it was.
///
/// # Panics
///
/// If it is killed at more calls than anything makes that is tested.
pub fn at_calls(mut killed_at: impl FnMut(usize) -> bool) -> usize {
    let (mut nth, mut killed) = (1, 0);
    while killed_at(nth) {
        assert!(nth < MOST_CALLS, "it does not end");
        nth += step();
        killed += 1;
    }
    // The last call is one of those in between, or the one before them.
    let mut before = nth.saturating_sub(step());
    while nth - before > 1 {
        let between = before.midpoint(nth);
        if killed_at(between) {
            before = between;
            killed += 1;
        } else {
            nth = between;
        }
    }
    killed
}

/// Tries places that have nothing to do with each other, some at a time: a broker mostly waits for GitHub, which
/// it asks once a second.
///
/// # Panics
///
/// If one of them does.
pub fn side_by_side<P: Send>(
    places: impl IntoIterator<Item = P, IntoIter: Send>,
    tried: impl Fn(P) + Sync,
) {
    let places = Mutex::new(places.into_iter());
    let next = || places.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(place) = next() {
                    tried(place);
                }
            });
        }
    });
}

const AT_A_TIME: usize = 4;
const MOST_CALLS: usize = 2000;
