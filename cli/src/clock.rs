//! The only place that asks the system what time it is. Used to show how much time is left, and by the
//! relay's limits; whether a lease or a secret's deadline is over, the broker decides by its own clocks.

use std::time::{Duration, Instant};

use broker_protocol::duration;
use jiff::Timestamp;

/// This moment, by the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment that comes after a span of time, whatever is done to the wall clock meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    start: Instant,
    span: Duration,
}

impl Deadline {
    /// This long from now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn after(span: Duration) -> Self {
        let start = Instant::now();
        Self { start, span }
    }

    /// What is left until then; `None` once it has come.
    pub(crate) fn left(self) -> Option<Duration> {
        let left = self.span.checked_sub(self.start.elapsed());
        left.filter(|left| !left.is_zero())
    }
}

/// `in 3 d`, `in 12 min`, `5 h ago`: rounded towards zero, in the largest unit that is not zero.
pub(crate) fn relative(moment: Timestamp, now: Timestamp) -> String {
    let seconds = moment.as_second().saturating_sub(now.as_second());
    let size = seconds.unsigned_abs();
    let (number, unit) = match size {
        0..60 => (size, "s"),
        60..3600 => (size / 60, "min"),
        3600..86400 => (size / 3600, "h"),
        _ => (size / 86400, "d"),
    };
    match seconds {
        0 => "now".to_owned(),
        ..0 => format!("{number} {unit} ago"),
        _ => format!("in {number} {unit}"),
    }
}

/// The same for a deadline: whole days to it are rounded up, as the broker's warnings have them.
pub(crate) fn until(deadline: Timestamp, now: Timestamp) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let left = deadline.as_second().saturating_sub(now.as_second());
    if left <= DAY {
        return relative(deadline, now);
    }
    format!("in {} d", left.saturating_add(DAY - 1) / DAY)
}

/// The moment, and how far from now it is: `2027-02-20T00:00:00Z (in 90 d)`.
pub(crate) fn moment(moment: Timestamp) -> String {
    format!("{} ({})", short(moment), relative(moment, now()))
}

/// The same for a deadline: `2027-02-20T00:00:00Z (in 91 d)`.
pub(crate) fn deadline(moment: Timestamp) -> String {
    format!("{} ({})", short(moment), until(moment, now()))
}

/// The moment as tables print it: UTC, to the second.
pub(crate) fn short(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Parses `2027-02-20` (its first moment in UTC) or `2027-02-20T12:00:00Z`.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    let moment = if text.len() == 10 {
        format!("{text}T00:00:00Z").parse().ok()
    } else {
        text.parse().ok()
    };
    // What is wrong with it in the words of a library tells no one what to write.
    moment.ok_or_else(|| "not a date (`2027-02-20`, or `2027-02-20T12:00:00Z`)".to_owned())
}

/// Parses the same, or how long ago it was: `1h`.
pub(crate) fn parse_past(text: &str) -> Result<Timestamp, String> {
    past(text, now())
}

fn past(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    // Each ends in a unit, and no moment does.
    let Ok(span) = duration::parse(text) else {
        return parse(text).map_err(|error| format!("{error}; or how long ago (`1h`)"));
    };
    now.checked_sub(span)
        .map_err(|error| format!("too long ago: {error}"))
}

/// Waits.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line waits where a daemon would not"
)]
pub(crate) fn pause(wait: Duration) {
    std::thread::sleep(wait);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_in_utc() {
        assert_eq!(short(parse("2027-02-20").unwrap()), "2027-02-20T00:00:00Z");
        assert_eq!(
            short(parse("2027-02-20T12:00:00+02:00").unwrap()),
            "2027-02-20T10:00:00Z"
        );
        for bad in ["", "tomorrow", "2027-02-30", "20.02.2027", "2027-2-2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_in_the_past_is_a_date_an_instant_or_how_long_ago_it_was() {
        let now = parse("2026-11-21T12:00:00Z").unwrap();
        for (text, moment) in [
            ("1h", "2026-11-21T11:00:00Z"),
            ("90d", "2026-08-23T12:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T07:00:00Z", "2026-11-20T07:00:00Z"),
        ] {
            assert_eq!(short(past(text, now).unwrap()), moment, "{text}");
        }
        for bad in ["", "0h", "1", "h", "-1h", "yesterday"] {
            assert!(past(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_deadline_comes() {
        let left = Deadline::after(Duration::from_secs(60)).left().unwrap();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60));
        assert!(Deadline::after(Duration::ZERO).left().is_none());
    }

    #[test]
    fn distances_are_in_the_largest_unit_that_fits() {
        let now = parse("2026-11-21").unwrap();
        for (moment, want) in [
            ("2026-11-21T00:00:59Z", "in 59 s"),
            ("2026-11-21T00:12:30Z", "in 12 min"),
            ("2026-11-24T01:00:00Z", "in 3 d"),
            ("2026-11-20T18:30:00Z", "5 h ago"),
            ("2026-11-21T00:00:00.4Z", "now"),
        ] {
            assert_eq!(relative(parse(moment).unwrap(), now), want);
        }
        for (deadline, want) in [
            ("2026-11-30T00:00:00Z", "in 9 d"),
            ("2026-11-29T00:00:01Z", "in 9 d"),
            ("2026-11-22T00:00:00Z", "in 1 d"),
            ("2026-11-21T23:59:59Z", "in 23 h"),
            ("2026-11-19T12:00:00Z", "1 d ago"),
        ] {
            assert_eq!(until(parse(deadline).unwrap(), now), want);
        }
    }
}
