//! The only place that asks the system what time it is.
//!
//! Two clocks: the wall clock, for people and for other machines, and `CLOCK_BOOTTIME`, which
//! counts suspends and which nobody can set. Within one boot the second decides.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

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

/// `/proc/sys/kernel/random/boot_id`: a UUID made anew at each boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootId(Box<str>);

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
        Now {
            wall: Timestamp::now(),
            boot,
        }
    }

    fn boot_id(&self) -> &BootId {
        &self.boot_id
    }
}
