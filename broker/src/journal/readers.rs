//! Who reads the audit log through the broker, and how far each has got.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where each account's reading of the log has got to.
///
/// A reading is recorded when it begins. What goes on where it left off belongs to it: otherwise
/// `tail -f` would read its own record of reading, for ever.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<HashMap<u32, u64>>);

impl Readers {
    /// Whether reading on from here begins a new reading, which is to be recorded first.
    pub(crate) fn begins(&self, uid: u32, from: u64) -> bool {
        self.positions().get(&uid) != Some(&from)
    }

    /// Notes how far an account has read.
    pub(crate) fn has_read(&self, uid: u32, to: u64) {
        self.positions().insert(uid, to);
    }

    fn positions(&self) -> MutexGuard<'_, HashMap<u32, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_where_it_left_off_is_the_same_reading() {
        let readers = Readers::default();
        assert!(readers.begins(7, 0));
        readers.has_read(7, 1000);
        assert!(!readers.begins(7, 1000));
        assert!(readers.begins(8, 1000), "another account");
        assert!(readers.begins(7, 0), "from the start again");
    }
}
