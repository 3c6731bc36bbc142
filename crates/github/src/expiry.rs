//! When a personal access token ends, as GitHub says with every answer.
//!
//! The header `github-authentication-token-expiration` is undocumented. It comes in two forms, is absent
//! for a token that does not end, and for some fine-grained tokens has been seen to show the time of the
//! call (google/go-github issue 3708). So a value that cannot be read is not an error, and one that is
//! the time of the answer itself is not believed.

use std::time::Duration;

use jiff::Timestamp;

/// An expiry this near to the time of its own answer is the known wrong value.
const TOO_NEAR: Duration = Duration::from_secs(60);

/// What the header said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenExpiry {
    /// A moment.
    At(Timestamp),
    /// Something this version cannot read.
    Unreadable(Box<str>),
}

impl TokenExpiry {
    /// Reads the header's value: `2023-01-31 23:00:00 UTC` or `2023-04-26 23:23:18 +0200`.
    ///
    /// Source: google/go-github, `parseTokenExpiration` and its tests.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let unreadable = || Self::Unreadable(text.chars().take(64).collect());
        moment(text.trim()).map_or_else(unreadable, Self::At)
    }
}

/// When a token ends, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The moment; `None` if it does not end, or no one knows.
    pub at: Option<Timestamp>,
    /// Who says so.
    pub source: Source,
    /// What is odd about what GitHub said.
    pub doubt: Option<Doubt>,
}

/// Where the knowledge of a token's end comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// GitHub said it, or said of a token that works that it has no end.
    GitHub,
    /// An operator entered it.
    Operator,
    /// No one said anything that can be believed.
    NoOne,
}

/// Why what GitHub said is not believed, or is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It cannot be read.
    Unreadable,
    /// It is the time of the answer itself.
    TimeOfAnswer,
    /// The operator entered another day.
    Differs {
        /// What was entered.
        entered: Timestamp,
    },
}

/// Evaluates what GitHub said of a token's end.
///
/// `said` is the header of an answer that accepted the token, `None` if it was absent; `answered` is
/// that answer's `Date`; `entered` is what an operator entered for the same value.
#[must_use]
pub fn evaluate(
    said: Option<&TokenExpiry>,
    answered: Option<Timestamp>,
    entered: Option<Timestamp>,
) -> End {
    let unbelieved = |doubt| End {
        at: entered,
        source: entered.map_or(Source::NoOne, |_| Source::Operator),
        doubt: Some(doubt),
    };
    match said {
        Some(TokenExpiry::Unreadable(_)) => unbelieved(Doubt::Unreadable),
        Some(TokenExpiry::At(at)) if answered.is_some_and(|date| near(*at, date, TOO_NEAR)) => {
            unbelieved(Doubt::TimeOfAnswer)
        }
        Some(TokenExpiry::At(at)) => End {
            at: Some(*at),
            source: Source::GitHub,
            doubt: entered
                .filter(|entered| !near(*entered, *at, ROUNDING))
                .map(|entered| Doubt::Differs { entered }),
        },
        // Absent says that it does not end, but only by convention: a date that someone read off a
        // screen is worth more.
        None => End {
            at: entered,
            source: entered.map_or(Source::GitHub, |_| Source::Operator),
            doubt: None,
        },
    }
}

/// People enter a day, and GitHub has a time within it, in some time zone.
const ROUNDING: Duration = Duration::from_secs(36 * 60 * 60);

fn near(one: Timestamp, other: Timestamp, within: Duration) -> bool {
    let apart = one.duration_since(other).unsigned_abs();
    apart <= within
}

fn moment(text: &str) -> Option<Timestamp> {
    // A date with a time, and then a zone: `UTC`, or hours and minutes.
    let (time, zone) = text.rsplit_once(' ')?;
    let zone = if zone == "UTC" { "+0000" } else { zone };
    // `%z` would read seconds too, and up to 25 hours.
    zone.get(1..)
        .filter(|offset| offset.len() == 4 && *offset < "2400")?;
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", format!("{time} {zone}")).ok()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(text: &str) -> TokenExpiry {
        TokenExpiry::At(at(text))
    }

    #[test]
    fn both_forms_are_read() {
        for (text, want) in [
            ("2023-01-31 23:00:00 UTC", "2023-01-31T23:00:00Z"),
            ("2023-04-26 23:23:18 +0200", "2023-04-26T21:23:18Z"),
            ("2023-04-26 23:23:18 -0730", "2023-04-27T06:53:18Z"),
        ] {
            assert_eq!(TokenExpiry::parse(text), said(want), "{text}");
        }
    }

    #[test]
    fn a_zone_is_utc_or_a_sign_with_two_digits_of_hours_and_two_of_minutes() {
        let read = |zone: &str| TokenExpiry::parse(&format!("2023-04-26 23:23:18 {zone}"));
        for (zone, want) in [
            ("UTC", "2023-04-26T23:23:18Z"),
            ("+0000", "2023-04-26T23:23:18Z"),
            ("-0000", "2023-04-26T23:23:18Z"),
            ("+1400", "2023-04-26T09:23:18Z"),
            ("-2359", "2023-04-27T23:22:18Z"),
        ] {
            assert_eq!(read(zone), said(want), "{zone}");
        }
        for zone in [
            "Z",
            "GMT",
            "utc",
            "0200",
            "+",
            "+2",
            "+02",
            "+020",
            "+2:00",
            "+02:00",
            "+02000",
            "+020030",
            "+1260",
            "+2400",
            "-2559",
            "+9999",
            "++200",
            "+ 200",
            "\u{2212}0200",
            "+02é",
        ] {
            assert!(matches!(read(zone), TokenExpiry::Unreadable(_)), "{zone}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_for_the_operator_and_is_no_error() {
        for text in [
            "",
            "never",
            "2023-13-31 23:00:00 UTC",
            "2023-01-31 23:00:00 CET",
            "2023-01-31 23:00:00 +2:00",
            "2023-01-31 23:00:00 +9900",
            "2023-01-31 23:00:00 +é",
        ] {
            let read = TokenExpiry::parse(text);
            assert_eq!(read, TokenExpiry::Unreadable(text.into()));
            let entered = at("2027-02-20T00:00:00Z");
            let end = evaluate(Some(&read), None, Some(entered));
            assert_eq!((end.at, end.source), (Some(entered), Source::Operator));
            assert_eq!(end.doubt, Some(Doubt::Unreadable));
        }
    }

    #[test]
    fn what_github_says_goes_before_what_was_entered_and_a_difference_is_told() {
        let (github, date) = (
            said("2027-03-01T12:00:00Z"),
            Some(at("2026-11-21T07:00:00Z")),
        );
        for (entered, differs) in [
            (None, false),
            (Some(at("2027-03-01T00:00:00Z")), false), // the same day, as people write it
            (Some(at("2027-02-20T00:00:00Z")), true),
        ] {
            let end = evaluate(Some(&github), date, entered);
            assert_eq!(end.at, Some(at("2027-03-01T12:00:00Z")));
            assert_eq!(end.source, Source::GitHub);
            let want = entered
                .filter(|_| differs)
                .map(|entered| Doubt::Differs { entered });
            assert_eq!(end.doubt, want);
        }
    }

    #[test]
    fn an_end_that_is_the_time_of_the_answer_is_not_believed() {
        let date = Some(at("2026-11-21T07:00:00Z"));
        let (entered, wrong) = (at("2027-02-20T00:00:00Z"), said("2026-11-21T07:00:03Z"));
        let end = evaluate(Some(&wrong), date, Some(entered));
        assert_eq!((end.at, end.source), (Some(entered), Source::Operator));
        assert_eq!(end.doubt, Some(Doubt::TimeOfAnswer));
        let end = evaluate(Some(&wrong), date, None);
        assert_eq!((end.at, end.source), (None, Source::NoOne));
    }

    #[test]
    fn without_the_header_a_token_has_no_end_unless_someone_entered_one() {
        let end = evaluate(None, None, None);
        assert_eq!((end.at, end.source), (None, Source::GitHub));
        let entered = Some(at("2027-02-20T00:00:00Z"));
        let end = evaluate(None, None, entered);
        assert_eq!((end.at, end.source), (entered, Source::Operator));
    }

    proptest! {
        #[test]
        fn any_moment_written_in_any_zone_is_read_back(
            seconds in 0_i64..4_102_444_800, hours in -14_i64..=14, quarter in 0_i64..4
        ) {
            let moment = Timestamp::from_second(seconds).unwrap();
            let minutes = hours * 60 + quarter * 15 * hours.signum();
            let there = moment.checked_add(SignedDuration::from_mins(minutes)).unwrap();
            let sign = if minutes < 0 { '-' } else { '+' };
            let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
            let text = format!("{} {sign}{h:02}{m:02}", there.strftime("%Y-%m-%d %H:%M:%S"));
            prop_assert_eq!(TokenExpiry::parse(&text), TokenExpiry::At(moment));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let read = TokenExpiry::parse(&text);
            prop_assert!(matches!(read, TokenExpiry::At(_) | TokenExpiry::Unreadable(_)));
        }
    }
}
