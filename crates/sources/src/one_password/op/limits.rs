//! What `op service-account ratelimit` says, from the table it prints.

use broker_protocol::api::ServiceLimitView;

use crate::one_password::OnePasswordError;

/// Reads the table.
pub(super) fn parse(table: &[u8]) -> Result<Vec<ServiceLimitView>, OnePasswordError> {
    str::from_utf8(table)
        .ok()
        .and_then(rows)
        .ok_or_else(|| OnePasswordError::Mismatch("a table of limits that is not known".into()))
}

fn rows(text: &str) -> Option<Vec<ServiceLimitView>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    if !lines.next()?.split_whitespace().eq(HEAD) {
        return None;
    }
    let rows: Option<Vec<_>> = lines.map(row).collect();
    rows.filter(|rows| !rows.is_empty())
}

fn row(line: &str) -> Option<ServiceLimitView> {
    let mut words = line.split_whitespace();
    let (whose, action) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut number = || words.next()?.parse().ok();
    let (limit, _used, remaining): (_, u64, _) = (number()?, number()?, number()?);
    Some(ServiceLimitView {
        whose,
        action,
        limit,
        remaining,
    })
}

/// Source: 1Password documentation, “Service account rate limits”.
const HEAD: [&str; 6] = ["TYPE", "ACTION", "LIMIT", "USED", "REMAINING", "RESET"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_a_limit() {
        let table = "TYPE       ACTION        LIMIT    USED    REMAINING    RESET\n\
                     token      write         1000     0       1000         N/A\n\
                     token      read          10000    3       9997         59 minutes from now\n\
                     account    read_write    50000    50000   0            23 hours from now\n";
        let limit = |whose: &str, action: &str, limit, remaining| ServiceLimitView {
            whose: whose.to_owned(),
            action: action.to_owned(),
            limit,
            remaining,
        };
        let limits = [
            limit("token", "write", 1000, 1000),
            limit("token", "read", 10_000, 9997),
            limit("account", "read_write", 50_000, 0),
        ];
        assert_eq!(parse(table.as_bytes()).unwrap(), limits);
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
