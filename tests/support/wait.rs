//! Waiting for a condition instead of a length of time.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The pause between two checks of a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How many checks at most: a generous bound, so that a slow machine fails no test.
const LOOKS: u32 = 3000;

/// Returns as soon as the condition holds.
///
/// # Panics
///
/// If it does not hold within about thirty seconds.
#[track_caller]
pub fn until(condition: impl FnMut() -> bool) {
    assert!(is_soon(condition), "what was waited for did not happen");
}

/// Returns true as soon as the condition holds, or false if it does not within about thirty seconds.
pub fn is_soon(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS {
        if condition() {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where tests wait for another process"
        )]
        std::thread::sleep(LOOK_AGAIN);
    }
    false
}

/// Returns once the process is no more, or only a number that its parent has not asked for yet.
///
/// # Panics
///
/// As [`until`].
#[track_caller]
pub fn gone(pid: &str) {
    let proc = Path::new("/proc").join(pid);
    let zombie = |stat: String| stat.contains(") Z ");
    until(|| !proc.exists() || fs::read_to_string(proc.join("stat")).is_ok_and(zombie));
}
