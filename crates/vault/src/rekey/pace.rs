//! How much of the machine a re-key takes: little, because no caller waits for it as for a lease.

use std::thread;
use std::time::Duration;

/// How many data keys are seen to before others have their turn: some hundred microseconds, which is also
/// how long a lock is held.
pub(crate) const AT_ONCE: usize = 64;

/// Leaves processors and disk to leases for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "on threads that may block; nothing depends on how long it is"
)]
pub(crate) fn give_way() {
    thread::sleep(PAUSE);
}

/// Ten thousand secrets then take about a second, in three passes.
const PAUSE: Duration = Duration::from_millis(2);
