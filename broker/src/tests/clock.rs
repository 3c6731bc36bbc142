//! The system's clocks, as far ahead as a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_clock::{BootId, Clock, Now, SystemClock};

/// Clones are the same clock.
#[derive(Clone)]
pub(crate) struct MovedClock {
    system: Arc<SystemClock>,
    ahead: Arc<Mutex<Duration>>,
}

impl MovedClock {
    pub(crate) fn new() -> Self {
        Self {
            system: Arc::new(SystemClock::new().unwrap()),
            ahead: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Now {
        let ahead = *self.ahead.lock().unwrap();
        let Now { wall, boot } = self.system.now();
        Now {
            wall: wall + ahead,
            boot: boot + ahead,
        }
    }

    fn boot_id(&self) -> &BootId {
        self.system.boot_id()
    }
}
