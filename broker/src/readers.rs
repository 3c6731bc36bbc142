//! Who reads the audit log through the broker, and how far each has got.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Where each account's reading of the log has got to.
///
/// A reading is recorded when it begins. What goes on where it left off belongs to it: otherwise
/// `tail -f` would read its own record of reading, for ever.
#[derive(Debug, Default)]
pub struct Readers(Mutex<HashMap<u32, u64>>);

impl Readers {
    /// Notes that an account reads `from..to`; whether that begins a new reading.
    pub fn begins(&self, uid: u32, from: u64, to: u64) -> bool {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.insert(uid, to) != Some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_where_it_left_off_is_the_same_reading() {
        let readers = Readers::default();
        assert!(readers.begins(7, 0, 1000));
        assert!(!readers.begins(7, 1000, 1200));
        assert!(readers.begins(8, 1200, 1300), "another account");
        assert!(readers.begins(7, 0, 1000), "from the start again");
    }
}
