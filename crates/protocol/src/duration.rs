//! Spans of time in policies and on the command line: `90s`, `15m`, `1h`,
//! `90d`.

use std::time::Duration;

use crate::names::NameError;

/// Parses `90s`, `15m`, `1h` or `90d`. A day is 24 hours.
///
/// # Errors
///
/// [`NameError`] for anything else, zero included, and above 100 years.
pub fn parse(text: &str) -> Result<Duration, NameError> {
    let wanted = "a span of time (a whole number and s, m, h or d: `15m`, `90d`)";
    seconds(text)
        .map(Duration::from_secs)
        .ok_or_else(|| NameError::new(text, wanted))
}

fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    let are_digits = digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|n| are_digits && *n > 0)?;
    let total = number.checked_mul(seconds);
    total.filter(|total| *total <= 100 * 366 * 24 * 60 * 60)
}

/// Writes a span as [`parse`] reads it, in the largest unit that fits whole.
#[must_use]
pub fn format(span: Duration) -> String {
    let seconds = span.as_secs();
    for (unit, size) in [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back_as_written() {
        for text in ["1s", "90s", "15m", "1h", "25h", "90d"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(parse("3600s").unwrap()), "1h");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "0s",
            "m",
            "15",
            "-1m",
            "+1m",
            "1.5h",
            "15 m",
            "1w",
            "99999999999d",
            "１m",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
