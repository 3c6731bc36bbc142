//! The system's clocks, as far ahead as a test says, and in a boot that it makes up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_clock::{BootId, Clock, Now, SystemClock};

/// Clones are the same clock.
#[derive(Clone)]
pub(crate) struct MovedClock {
    system: Arc<SystemClock>,
    ahead: Arc<Mutex<Duration>>,
    /// Another boot than the system's, and what its boot time is less than the system's.
    boot: Option<(BootId, Duration)>,
    /// Time that passed by boot time alone.
    unseen: Duration,
}

impl MovedClock {
    pub(crate) fn new() -> Self {
        Self {
            system: Arc::new(SystemClock::new().unwrap()),
            ahead: Arc::default(),
            boot: None,
            unseen: Duration::ZERO,
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }

    /// As it is just after a reboot. The wall clock goes on.
    pub(crate) fn after_a_reboot(&self) -> Self {
        let name = BootId::new("11111111-2222-4333-8444-555555555555");
        Self {
            boot: Some((name, self.now().boot)),
            ..self.clone()
        }
    }

    /// As it is when the machine was suspended for so long, and the wall clock was turned back by as much.
    pub(crate) fn after_a_suspend(&self, time: Duration) -> Self {
        Self {
            unseen: self.unseen + time,
            ..self.clone()
        }
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Now {
        let ahead = *self.ahead.lock().unwrap();
        let Now { wall, boot } = self.system.now();
        let before = self.boot.as_ref().map_or(Duration::ZERO, |boot| boot.1);
        Now {
            wall: wall + ahead,
            boot: (boot + ahead + self.unseen).saturating_sub(before),
        }
    }

    fn boot_id(&self) -> &BootId {
        match &self.boot {
            Some((name, _)) => name,
            None => self.system.boot_id(),
        }
    }
}
