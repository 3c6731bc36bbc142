//! Whether anything is granted at all: not while the broker stops, nor while all leases are being ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Gate {
    draining: AtomicBool,
    /// How many are about to lock the store and end all leases.
    revoking: AtomicU64,
    /// How often all leases were ended. A grant that began before is not honoured.
    revocations: AtomicU64,
}

impl Gate {
    /// Refuses new leases from here on; those under way are finished.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the broker is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Grants nothing while the guard exists, nor what was asked for before: all leases are about to end.
    pub(crate) fn revoke(&self) -> GrantsPaused<'_> {
        self.revoking.fetch_add(1, Ordering::AcqRel);
        self.revocations.fetch_add(1, Ordering::AcqRel);
        GrantsPaused(&self.revoking)
    }

    pub(super) fn is_revoking(&self) -> bool {
        self.revoking.load(Ordering::Acquire) > 0
    }

    pub(super) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }
}

/// While there is one, nothing is granted.
#[must_use]
pub(crate) struct GrantsPaused<'a>(&'a AtomicU64);

impl Drop for GrantsPaused<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_over_when_its_last_guard_is_gone_and_is_counted_for_good() {
        let gate = Gate::default();
        let before = gate.revocations();
        let (one, other) = (gate.revoke(), gate.revoke());
        drop(one);
        assert!(gate.is_revoking());
        drop(other);
        assert!(!gate.is_revoking());
        assert_eq!(gate.revocations(), before + 2);
    }

    #[test]
    fn what_drains_drains_for_good() {
        let gate = Gate::default();
        assert!(!gate.is_draining());
        gate.drain();
        drop(gate.revoke());
        assert!(gate.is_draining());
    }
}
