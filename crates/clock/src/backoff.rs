//! How long to wait before what failed is tried again.

use std::time::Duration;

/// Pauses that double with each failure in a row, up to a longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after a failure with this many failures in a row before it.
    #[must_use]
    pub fn pause(self, failed_before: u32) -> Duration {
        let factor = 1_u32.checked_shl(failed_before).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_however_often_it_fails() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            cap: Duration::from_secs(60),
        };
        let pauses: Vec<u64> = (0..6).map(|n| backoff.pause(n).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        for failed_before in [31, 32, u32::MAX] {
            assert_eq!(backoff.pause(failed_before), backoff.cap);
        }
    }
}
