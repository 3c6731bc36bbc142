//! What `op service-account ratelimit` says, from the table it prints.

use std::time::Duration;

use super::texts::span;
use crate::one_password::OnePasswordError;

/// One limit of a service account: of its own, or of all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLimit {
    /// Whose: `token` for this service account, per hour; `account` for all, per day.
    pub whose: Box<str>,
    /// What is counted: `read`, `write` or `read_write`.
    pub action: Box<str>,
    /// Requests allowed.
    pub limit: u64,
    /// Requests made.
    pub used: u64,
    /// Requests left.
    pub remaining: u64,
    /// Until they are counted from zero again, rounded as `op` does; `None` where none was made yet.
    pub reset: Option<Duration>,
}

/// Reads the table.
pub(super) fn parse(table: &[u8]) -> Result<Vec<ServiceLimit>, OnePasswordError> {
    str::from_utf8(table)
        .ok()
        .and_then(rows)
        .ok_or_else(|| OnePasswordError::Mismatch("a table of limits that is not known".into()))
}

fn rows(text: &str) -> Option<Vec<ServiceLimit>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    if !lines.next()?.split_whitespace().eq(HEAD) {
        return None;
    }
    let rows: Option<Vec<_>> = lines.map(row).collect();
    rows.filter(|rows| !rows.is_empty())
}

fn row(line: &str) -> Option<ServiceLimit> {
    let mut words = line.split_whitespace();
    let mut word = || words.next();
    let (whose, action) = (word()?.into(), word()?.into());
    let (limit, used, remaining) = (word()?, word()?, word()?);
    let reset: Vec<&str> = words.collect();
    Some(ServiceLimit {
        whose,
        action,
        limit: limit.parse().ok()?,
        used: used.parse().ok()?,
        remaining: remaining.parse().ok()?,
        reset: span(&reset.join(" ")),
    })
}

/// Source: 1Password documentation, “Service account rate limits”.
const HEAD: [&str; 6] = ["TYPE", "ACTION", "LIMIT", "USED", "REMAINING", "RESET"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_a_limit_with_the_time_until_it_is_counted_anew() {
        let table = "TYPE       ACTION        LIMIT    USED    REMAINING    RESET\n\
                     token      write         1000     0       1000         N/A\n\
                     token      read          10000    3       9997         59 minutes from now\n\
                     account    read_write    50000    50000   0            23 hours from now\n";
        let limits = parse(table.as_bytes()).unwrap();
        let resets: Vec<_> = limits.iter().map(|limit| limit.reset).collect();
        let minutes = |count: u64| Some(Duration::from_secs(count * 60));
        assert_eq!(resets, [None, minutes(59), minutes(23 * 60)]);
        let whole = ServiceLimit {
            whose: "account".into(),
            action: "read_write".into(),
            limit: 50_000,
            used: 50_000,
            remaining: 0,
            reset: minutes(23 * 60),
        };
        assert_eq!(limits.last(), Some(&whole));
    }

    #[test]
    fn another_table_is_not_guessed_at() {
        for table in [
            "",
            "TYPE ACTION LIMIT USED REMAINING RESET\n",
            "KIND ACTION LIMIT USED REMAINING RESET\ntoken read 1 1 1 N/A\n",
            "TYPE ACTION LIMIT USED REMAINING RESET\ntoken read many 1 1 N/A\n",
            "TYPE ACTION LIMIT USED REMAINING RESET\ntoken read 1\n",
            "[]",
        ] {
            let error = parse(table.as_bytes()).unwrap_err();
            assert!(matches!(error, OnePasswordError::Mismatch(_)), "{table}");
        }
    }
}
