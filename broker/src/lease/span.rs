//! The arithmetic of a lease's lifetime.
//!
//! Two clocks bound a lease. Within the boot in which it was granted, boot time decides: no one can
//! set it, and it counts suspends. In another boot only the wall clock is left, and it is believed
//! only if it is not behind the last record of the audit log.

use std::time::Duration;

use broker_clock::Now;
use jiff::Timestamp;

/// From when to when a lease lives, on both clocks of one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) issued: Now,
    pub(crate) expires: Now,
    /// Latest end, renewals included.
    pub(crate) renewable: Now,
}

/// Less than a second would be left; handing that out would only make the caller fail later and
/// somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("less than a second is left")]
pub(crate) struct TooShort;

impl Span {
    /// A span of `ttl` from `now`, which renewals may stretch to `ttl_max`.
    ///
    /// Both are cut to what `secret_ends` leaves by the wall clock, in whole seconds rounded down,
    /// so that a lease never outlives the secret behind it.
    ///
    /// # Errors
    ///
    /// [`TooShort`] if less than one second would be left.
    pub(crate) fn first(
        now: Now,
        ttl: Duration,
        ttl_max: Duration,
        secret_ends: Option<Timestamp>,
    ) -> Result<Self, TooShort> {
        let left = secret_ends.map_or(Duration::MAX, |ends| time_between(now.wall, ends));
        let ttl = whole_seconds(ttl.min(ttl_max).min(left));
        let ttl_max = whole_seconds(ttl_max.min(left));
        if ttl.is_zero() {
            return Err(TooShort);
        }
        Ok(Self {
            issued: now,
            expires: after(now, ttl),
            renewable: after(now, ttl_max),
        })
    }

    /// The same span, ending `ttl` from `now`, but no later than `ttl_max` after the first grant,
    /// than it was ever renewable, and than the secret behind it.
    ///
    /// # Errors
    ///
    /// [`TooShort`] if less than one second would be left.
    pub(crate) fn renewed(
        &self,
        now: Now,
        ttl: Duration,
        ttl_max: Duration,
        secret_ends: Option<Timestamp>,
    ) -> Result<Self, TooShort> {
        let spent = if self.issued.boot.is_zero() {
            // Granted in another boot: only the wall clock knows how much went by before this one.
            now.boot.max(time_between(self.issued.wall, now.wall))
        } else {
            now.boot.saturating_sub(self.issued.boot)
        };
        let left = self
            .renewable
            .boot
            .saturating_sub(now.boot)
            .min(ttl_max.saturating_sub(spent));
        let fresh = Self::first(now, ttl.min(left), left, secret_ends)?;
        // What rounding alone took off stays as it was first said.
        let cut = fresh.renewable.boot + Duration::from_secs(1) <= self.renewable.boot;
        Ok(Self {
            issued: self.issued,
            expires: fresh.expires,
            renewable: if cut { fresh.renewable } else { self.renewable },
        })
    }

    pub(crate) fn length(&self) -> Duration {
        self.expires.boot.saturating_sub(self.issued.boot)
    }

    /// The same span, cut to how long the credential behind it lives from the first grant.
    ///
    /// # Errors
    ///
    /// [`TooShort`] if less than one second would be left.
    pub(crate) fn cut_to(&self, life: Duration) -> Result<Self, TooShort> {
        let cut = |end: Now| end.boot.saturating_sub(self.issued.boot).min(life);
        Self::first(self.issued, cut(self.expires), cut(self.renewable), None)
    }

    /// Whether it has ended, by boot time.
    pub(crate) fn has_ended(&self, now: Now) -> bool {
        now.boot >= self.expires.boot
    }

    /// The same span in another boot, whose moments `now` are: by the wall clock alone.
    ///
    /// `None` if it has ended, or if the wall clock stands before the first grant, when it cannot
    /// tell.
    pub(crate) fn in_another_boot(&self, now: Now) -> Option<Self> {
        if now.wall < self.issued.wall {
            return None;
        }
        let left = time_between(now.wall, self.expires.wall);
        if left.is_zero() {
            return None;
        }
        let shift = |wall: Timestamp| Now {
            wall,
            boot: now.boot + time_between(now.wall, wall),
        };
        Some(Self {
            // Before this boot began. 0 marks it, and `renewed` counts by the wall clock then.
            issued: Now {
                wall: self.issued.wall,
                boot: Duration::ZERO,
            },
            expires: shift(self.expires.wall),
            renewable: shift(self.renewable.wall),
        })
    }

    /// Whether it ends no later than `ttl_max` after the first grant.
    pub(crate) fn fits(&self, ttl_max: Duration) -> bool {
        time_between(self.issued.wall, self.expires.wall) <= ttl_max
    }
}

/// How long from `from` to `to`; zero if `to` is not later.
pub(crate) fn time_between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

fn after(now: Now, span: Duration) -> Now {
    Now {
        wall: now.wall.saturating_add(span).unwrap_or(Timestamp::MAX),
        boot: now.boot + span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Now {
        let wall = Timestamp::from_second(1_790_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Now {
            wall,
            boot: Duration::from_secs(1000 + seconds),
        }
    }

    #[test]
    fn a_lease_never_outlives_the_secret_behind_it() {
        let ends = at(90).wall;
        let span = Span::first(at(0), 15 * MINUTE, HOUR, Some(ends)).unwrap();
        assert_eq!((span.expires.wall, span.renewable.wall), (ends, ends));
        assert_eq!(Span::first(at(90), MINUTE, HOUR, Some(ends)), Err(TooShort));
        assert_eq!(
            Span::first(at(100), MINUTE, HOUR, Some(ends)),
            Err(TooShort)
        );
    }

    #[test]
    fn a_span_is_cut_to_the_end_of_a_credential_that_came_after_it() {
        let span = Span::first(at(0), 15 * MINUTE, HOUR, None).unwrap();
        assert_eq!(span.cut_to(2 * HOUR), Ok(span));
        let cut = span.cut_to(10 * MINUTE).unwrap();
        assert_eq!((cut.expires, cut.renewable), (at(600), at(600)));
        let cut = span.cut_to(40 * MINUTE).unwrap();
        assert_eq!((cut.expires, cut.renewable), (at(900), at(2400)));
        assert_eq!(cut.cut_to(40 * MINUTE), Ok(cut));
        assert_eq!(span.cut_to(Duration::from_millis(999)), Err(TooShort));
    }

    #[test]
    fn renewals_count_from_the_first_grant() {
        let span = Span::first(at(0), 15 * MINUTE, HOUR, None).unwrap();
        let span = span.renewed(at(600), 15 * MINUTE, HOUR, None).unwrap();
        assert_eq!(span.expires, at(600 + 900));
        let span = span.renewed(at(3000), 15 * MINUTE, HOUR, None).unwrap();
        assert_eq!(span.expires, at(3600), "cut at the ceiling");
        assert_eq!(span.renewed(at(3600), MINUTE, HOUR, None), Err(TooShort));
    }

    #[test]
    fn the_latest_end_does_not_drift_with_renewals() {
        let span = Span::first(at(0), MINUTE, HOUR, None).unwrap();
        let later = Now {
            wall: at(10).wall + Duration::from_millis(700),
            boot: at(10).boot + Duration::from_millis(700),
        };
        let renewed = span.renewed(later, MINUTE, HOUR, None).unwrap();
        assert_eq!(renewed.renewable, span.renewable);
    }

    #[test]
    fn a_ceiling_lowered_since_holds_for_the_next_renewal() {
        let span = Span::first(at(0), 15 * MINUTE, HOUR, None).unwrap();
        assert!(span.fits(15 * MINUTE) && !span.fits(14 * MINUTE));
        let span = span
            .renewed(at(600), 15 * MINUTE, 20 * MINUTE, None)
            .unwrap();
        assert_eq!(span.expires, at(1200));
    }

    #[test]
    fn a_ceiling_lowered_since_counts_from_the_first_grant_also_when_that_was_in_another_boot() {
        let span = Span::first(at(0), 8 * HOUR, 24 * HOUR, None).unwrap();
        let soon_after_the_boot = Now {
            wall: at(5 * 3600).wall,
            boot: Duration::from_secs(60),
        };
        let span = span.in_another_boot(soon_after_the_boot).unwrap();
        let span = span
            .renewed(soon_after_the_boot, 6 * HOUR, 6 * HOUR, None)
            .unwrap();
        assert_eq!(span.expires.wall, at(6 * 3600).wall);
        assert!(span.fits(6 * HOUR));
    }

    #[test]
    fn setting_the_wall_clock_back_does_not_prolong_a_lease_of_the_same_boot() {
        let span = Span::first(at(0), MINUTE, HOUR, None).unwrap();
        let set_back = Now {
            wall: at(0).wall,
            boot: at(60).boot,
        };
        assert!(span.has_ended(set_back));
        let set_forward = Now {
            wall: at(9999).wall,
            boot: at(59).boot,
        };
        assert!(!span.has_ended(set_forward));
    }

    #[test]
    fn in_another_boot_the_wall_clock_decides_and_one_that_is_behind_ends_the_lease() {
        let span = Span::first(at(0), HOUR, HOUR, None).unwrap();
        let later = |seconds: u64| Now {
            wall: at(seconds).wall,
            boot: Duration::from_secs(5),
        };
        let moved = span.in_another_boot(later(600)).unwrap();
        assert_eq!(
            moved.expires,
            Now {
                wall: at(3600).wall,
                boot: Duration::from_secs(3005)
            }
        );
        assert_eq!(span.in_another_boot(later(3600)), None);
        let behind = Now {
            wall: "2020-01-01T00:00:00Z".parse().unwrap(),
            boot: Duration::ZERO,
        };
        assert_eq!(span.in_another_boot(behind), None);
    }
}
