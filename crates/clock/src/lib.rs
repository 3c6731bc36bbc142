//! The only place that asks the system what time it is.
//!
//! Two clocks: the wall clock, for humans and for other machines, and `CLOCK_BOOTTIME`, which
//! counts suspends and which cannot be set. Within one boot the second decides.

mod backoff;
mod moment;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

pub use self::backoff::Backoff;
pub use self::moment::Moment;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock.
    pub wall: Timestamp,
    /// `CLOCK_BOOTTIME`: since the kernel booted, suspends included.
    pub boot: Duration,
}

/// A source of moments: the system's, or a test's that stands still until moved.
pub trait Clock: Send + Sync + 'static {
    /// This moment.
    fn now(&self) -> Now;
    /// Which boot of the kernel [`Now::boot`] counts from.
    fn boot_id(&self) -> &BootId;
}

/// `/proc/sys/kernel/random/boot_id`: a UUID new at each boot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootId(Arc<str>);

impl BootId {
    /// The boot with this id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.trim().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot_id: BootId,
}

impl SystemClock {
    /// Reads the boot id once.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn new() -> std::io::Result<Self> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self {
            boot_id: BootId::new(&id),
        })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Now {
        let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        let wall = Timestamp::now();
        // To the microsecond, as records have it: what was written down reads back the same.
        let wall = Timestamp::from_microsecond(wall.as_microsecond()).unwrap_or(wall);
        Now { wall, boot }
    }

    fn boot_id(&self) -> &BootId {
        &self.boot_id
    }
}

/// A clock that stands still until moved: for tests and simulations. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Now>>,
    boot_id: BootId,
}

impl ManualClock {
    /// A clock that stands at `wall`, an hour after boot.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        let boot = Duration::from_secs(60 * 60);
        Self {
            now: Arc::new(Mutex::new(Now { wall, boot })),
            boot_id: BootId::new("00000000-0000-4000-8000-000000000000"),
        }
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.boot = now.boot.saturating_add(by);
        now.wall = now.wall.saturating_add(by).unwrap_or(Timestamp::MAX);
    }

    /// Sets the wall clock, as an administrator might; the boot clock goes on as it was.
    pub fn set_wall(&self, wall: Timestamp) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot_id(&self) -> &BootId {
        &self.boot_id
    }
}
