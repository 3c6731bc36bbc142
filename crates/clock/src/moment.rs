//! A moment that is written down, and read again by another run of the broker, perhaps in another
//! boot and beside a wall clock that was set meanwhile. Pure.
//!
//! As with leases: within the boot in which it was noted boot time decides, which cannot be set and which
//! counts suspends; in another boot only the wall clock is left.
//!
//! Not here: days of a calendar, such as deadlines and the ends that GitHub names. Those go by the wall
//! clock alone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{BootId, Now};

/// A moment on both clocks, and the boot that the second belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Moment {
    wall: Timestamp,
    /// The boot, and how long it had lasted, in whole microseconds; `None` for what was noted before this
    /// was kept.
    boot: Option<(BootId, Duration)>,
}

impl Moment {
    /// This moment of a boot.
    #[must_use]
    pub fn new(now: Now, boot: &BootId) -> Self {
        Self::stored(now.wall, Some((boot.clone(), micros(now.boot))))
    }

    /// A moment as it was stored: by the wall clock, and the boot with the microseconds since it began.
    #[must_use]
    pub fn stored(wall: Timestamp, boot: Option<(BootId, u64)>) -> Self {
        let boot = boot.map(|(id, us)| (id, Duration::from_micros(us)));
        Self { wall, boot }
    }

    /// By the wall clock of then.
    #[must_use]
    pub const fn wall(&self) -> Timestamp {
        self.wall
    }

    /// The boot, and microseconds since it began.
    #[must_use]
    pub fn boot(&self) -> Option<(&BootId, u64)> {
        self.boot.as_ref().map(|(id, at)| (id, micros(*at)))
    }

    /// This long after it.
    #[must_use]
    pub fn after(&self, wait: Duration) -> Self {
        let boot = self.boot.as_ref();
        Self {
            wall: self.wall.checked_add(wait).unwrap_or(Timestamp::MAX),
            boot: boot.map(|(id, at)| (id.clone(), at.saturating_add(wait))),
        }
    }

    /// When it was, or will be, by the wall clock as it stands now.
    #[must_use]
    pub fn seen_from(&self, now: &Self) -> Timestamp {
        let Some((at, then)) = self.within_the_boot(now) else {
            return self.wall;
        };
        let since =
            |from: Duration, to: Duration| SignedDuration::try_from(to.saturating_sub(from));
        let ahead = since(then, at).unwrap_or(SignedDuration::MAX);
        let ago = since(at, then).unwrap_or(SignedDuration::MAX);
        let seen = now.wall.saturating_add(ahead).unwrap_or(Timestamp::MAX);
        seen.saturating_sub(ago).unwrap_or(Timestamp::MIN)
    }

    /// The same of something that was done. `None` if it is in the future: a clock was wrong, and when it
    /// was done is not known.
    #[must_use]
    pub fn done_before(&self, now: &Self) -> Option<Timestamp> {
        Some(self.seen_from(now)).filter(|at| *at <= now.wall)
    }

    /// Whether a moment that was waited for is there.
    #[must_use]
    pub fn is_reached(&self, now: &Self) -> bool {
        self.seen_from(now) <= now.wall
    }

    /// The same of a wait that was never set for longer than this. In another boot, what seems farther off
    /// was noted beside a clock that was wrong, and holds nothing back.
    #[must_use]
    pub fn is_over(&self, now: &Self, longest: Duration) -> bool {
        let absurd = || {
            let latest = now.wall.saturating_add(longest);
            self.wall > latest.unwrap_or(Timestamp::MAX)
        };
        self.is_reached(now) || (self.within_the_boot(now).is_none() && absurd())
    }

    /// Both since the boot that they share began; `None` if they share none.
    fn within_the_boot(&self, now: &Self) -> Option<(Duration, Duration)> {
        let ((boot, at), (boot_now, now)) = (self.boot.as_ref()?, now.boot.as_ref()?);
        (boot == boot_now).then_some((*at, *now))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// As JSON: a bare time where that is all that is known, as it was written before boots were kept.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Wall(Timestamp),
    Both {
        at: Timestamp,
        boot_id: Box<str>,
        boot_us: u64,
    },
}

impl From<Stored> for Moment {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Wall(wall) => Self::stored(wall, None),
            Stored::Both {
                at,
                boot_id,
                boot_us,
            } => Self::stored(at, Some((BootId::new(&boot_id), boot_us))),
        }
    }
}

impl From<Moment> for Stored {
    fn from(moment: Moment) -> Self {
        match moment.boot {
            None => Self::Wall(moment.wall),
            Some((boot, in_boot)) => Self::Both {
                at: moment.wall,
                boot_id: boot.as_str().into(),
                boot_us: micros(in_boot),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock as _, ManualClock};

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn clock() -> ManualClock {
        ManualClock::at("2026-11-29T12:00:00Z".parse().unwrap())
    }

    fn now(clock: &ManualClock) -> Moment {
        Moment::new(clock.now(), clock.boot_id())
    }

    /// What another run of the broker reads.
    fn read_back(moment: &Moment) -> Moment {
        serde_json::from_str(&serde_json::to_string(moment).unwrap()).unwrap()
    }

    /// The same moment as a broker after a reboot would have it.
    fn rebooted(clock: &ManualClock) -> Moment {
        let boot = HOUR.as_micros().try_into().unwrap();
        Moment::stored(clock.now().wall, Some((BootId::new("another"), boot)))
    }

    #[test]
    fn within_a_boot_a_wait_takes_its_time_however_the_wall_clock_is_set() {
        for set_by in [3 * 24, -3 * 24, 0] {
            let clock = clock();
            let due = read_back(&now(&clock).after(DAY));
            let set_to = clock.now().wall + SignedDuration::from_hours(set_by);
            clock.set_wall(set_to);
            assert!(!due.is_reached(&now(&clock)));
            assert_eq!(due.seen_from(&now(&clock)), set_to + DAY);
            clock.advance(DAY - Duration::from_secs(1));
            assert!(!due.is_reached(&now(&clock)));
            assert!(!due.is_over(&now(&clock), HOUR), "it was set for so long");
            clock.advance(Duration::from_secs(1));
            assert!(due.is_reached(&now(&clock)));
        }
    }

    #[test]
    fn in_another_boot_the_wall_clock_decides() {
        let clock = clock();
        let due = now(&clock).after(DAY);
        clock.advance(DAY - Duration::from_secs(1));
        assert!(!due.is_reached(&rebooted(&clock)));
        clock.advance(Duration::from_secs(1));
        assert!(due.is_reached(&rebooted(&clock)));
    }

    #[test]
    fn what_was_done_in_the_future_was_done_at_an_unknown_time() {
        let clock = clock();
        let done = now(&clock);
        clock.advance(HOUR);
        let wall = clock.now().wall;
        assert_eq!(done.done_before(&rebooted(&clock)), Some(wall - HOUR));
        clock.set_wall(wall - DAY);
        assert_eq!(done.done_before(&rebooted(&clock)), None);
        let in_this_boot = done.done_before(&now(&clock));
        assert_eq!(in_this_boot, Some(wall - DAY - HOUR));
    }

    #[test]
    fn in_another_boot_a_wait_that_is_longer_than_any_holds_nothing_back() {
        let clock = clock();
        let due = now(&clock).after(HOUR);
        assert!(!due.is_over(&rebooted(&clock), HOUR));
        clock.set_wall(clock.now().wall - DAY);
        assert!(due.is_over(&rebooted(&clock), HOUR));
        assert!(!due.is_reached(&rebooted(&clock)));
    }

    #[test]
    fn a_moment_reads_back_as_written_and_one_from_before_boots_were_kept_goes_by_the_wall_clock() {
        let clock = clock();
        let moment = now(&clock).after(Duration::from_micros(1));
        assert_eq!(read_back(&moment), moment);
        let old: Moment = serde_json::from_str(r#""2026-11-29T12:00:00Z""#).unwrap();
        assert_eq!(old, Moment::stored(clock.now().wall, None));
        assert_eq!(read_back(&old), old);
        assert!(old.is_reached(&now(&clock)));
    }
}
