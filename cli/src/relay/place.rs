//! How many connections there are at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections of one kind that are open.
pub(super) type Open = Arc<AtomicUsize>;

/// A connection that counts among those that are open.
pub(super) struct Place {
    open: Open,
    number: usize,
}

impl Place {
    pub(super) fn take(open: &Open) -> Self {
        let number = open.fetch_add(1, Ordering::SeqCst) + 1;
        let open = Arc::clone(open);
        Self { open, number }
    }

    /// How many there were with it.
    pub(super) const fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
