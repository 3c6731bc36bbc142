//! Waiting for a condition: bounded, and no longer than it takes.

use std::time::Duration;

/// Waits until `condition` holds.
///
/// # Panics
///
/// If it does not within a minute.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are waited for; no worker of ours is blocked"
)]
pub fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited a minute for what did not happen");
}
