//! How many requests a purpose's proxy leases may make: `1000/h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::document::printable;

/// How many requests all proxy leases of one account for a purpose may make in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// At least one.
    pub requests: u32,
    /// A minute, an hour or a day.
    pub per: Duration,
}

/// What is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a budget of requests: write a number from 1 to {most} and `/m`, `/h` or `/d`, such as `1000/h`", most = u32::MAX)]
pub struct NoBudget(String);

const SPANS: [(&str, Duration); 3] = [
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(60 * 60)),
    ("d", Duration::from_secs(24 * 60 * 60)),
];

impl FromStr for Budget {
    type Err = NoBudget;

    fn from_str(text: &str) -> Result<Self, NoBudget> {
        let parsed = || {
            let (requests, span) = text.split_once('/')?;
            let (_, per) = SPANS.into_iter().find(|(word, _)| *word == span)?;
            let plain = requests.bytes().all(|byte| byte.is_ascii_digit());
            let requests = requests.parse().ok().filter(|requests| *requests > 0)?;
            plain.then_some(Self { requests, per })
        };
        parsed().ok_or_else(|| NoBudget(printable(text)))
    }
}

/// As a policy writes it.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.requests)?;
        match SPANS.iter().find(|(_, per)| *per == self.per) {
            Some((word, _)) => f.write_str(word),
            None => write!(f, "{}s", self.per.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_of_requests_in_a_minute_an_hour_or_a_day() {
        for (text, requests, seconds) in [
            ("1/m", 1, 60),
            ("1000/h", 1000, 3600),
            ("4294967295/d", u32::MAX, 86_400),
        ] {
            let budget: Budget = text.parse().unwrap();
            let per = Duration::from_secs(seconds);
            assert_eq!(budget, Budget { requests, per });
            assert_eq!(budget.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_budget_is_refused_with_how_to_write_one() {
        for text in [
            "",
            "/",
            "1000",
            "/h",
            "0/h",
            "-1/h",
            "+1/h",
            "1.5/h",
            "1k/h",
            "4294967296/h",
            "5/s",
            "5/hour",
            "5/H",
            "5 /h",
            "5/h ",
            "5/h/h",
        ] {
            let refused = text.parse::<Budget>().unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "`{text}` is not a budget of requests: write a number from 1 to 4294967295 and \
                     `/m`, `/h` or `/d`, such as `1000/h`"
                )
            );
        }
    }
}
