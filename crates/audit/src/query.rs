//! Reads single records for display: a filter for `audit search`, one line each for `audit tail`.
//!
//! Lenient where the verifier is strict: a kind or field it does not know is passed over, so that
//! an older `tokenctl` can show a newer broker's log. Nothing here says whether a line is genuine.
//!
//! Some of what a record holds was written by callers. On its way to
//! a terminal every character that could move the cursor or turn the text around is escaped.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::Deserialize;

use crate::record::Caller;

/// What can be searched and shown of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Line<'a> {
    /// The record's number.
    pub seq: u64,
    /// The broker's wall clock.
    pub time: Timestamp,
    /// What it reports.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// Why access was wanted.
    #[serde(borrow)]
    pub purpose: Option<Cow<'a, str>>,
    /// The secret, by name.
    #[serde(borrow)]
    pub secret: Option<Cow<'a, str>>,
    /// The lease.
    #[serde(borrow)]
    pub lease: Option<Cow<'a, str>>,
    /// Who asked for something or did it: the record's `caller` or `by`.
    #[serde(borrow, alias = "by")]
    pub caller: Option<Caller<'a>>,
    /// The account, where the record says no more of the caller (or of the broker).
    pub uid: Option<u32>,
    #[serde(borrow)]
    deliver: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rule: Option<Cow<'a, str>>,
    #[serde(borrow)]
    version: Option<Version<'a>>,
    expires_at: Option<Timestamp>,
    count: Option<u64>,
    records: Option<u64>,
    #[serde(borrow)]
    root_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    why: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

/// A secret's is a number, the broker's a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Version<'a> {
    Number(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

/// Why a line cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("not a record")]
pub struct NotALine(#[source] serde_json::Error);

impl<'a> Line<'a> {
    /// Reads one line, given with or without its newline.
    ///
    /// # Errors
    ///
    /// [`NotALine`] if it is no JSON object with a number, a time and a kind. If only another field
    /// is not of the type known here, everything but those three is left out.
    pub fn parse(line: &'a [u8]) -> Result<Self, NotALine> {
        #[derive(Deserialize)]
        struct Bare<'a> {
            seq: u64,
            time: Timestamp,
            #[serde(borrow)]
            kind: Cow<'a, str>,
        }
        serde_json::from_slice(line).or_else(|_| {
            let bare: Bare<'a> = serde_json::from_slice(line).map_err(NotALine)?;
            Ok(Self {
                seq: bare.seq,
                time: bare.time,
                kind: bare.kind,
                ..Self::default()
            })
        })
    }

    /// One line for display: time, number, kind, caller, purpose, secret, and what else matters.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("{:.0} {} {}", self.time, self.seq, Escaped(&self.kind));
        let mut add = |part: fmt::Arguments<'_>| {
            text.push_str(", ");
            // Writing to a String cannot fail.
            text.write_fmt(part).unwrap_or_default();
        };
        if let Some(uid) = self.caller.as_ref().map(|caller| caller.uid).or(self.uid) {
            add(format_args!("uid {uid}"));
        }
        if let Some(name) = self.caller.as_ref().and_then(best_name) {
            add(format_args!("{}", Escaped(name)));
        }
        for (label, value) in [
            ("", &self.purpose),
            ("", &self.secret),
            ("", &self.deliver),
            ("rule ", &self.rule),
            ("root key: ", &self.root_key),
            ("", &self.code),
        ] {
            if let Some(value) = value {
                add(format_args!("{label}{}", Escaped(value)));
            }
        }
        match &self.version {
            Some(Version::Number(number)) => add(format_args!("version {number}")),
            Some(Version::Text(version)) => add(format_args!("version {}", Escaped(version))),
            None => {}
        }
        if let Some(expires_at) = self.expires_at {
            add(format_args!("until {expires_at:.0}"));
        }
        if let Some(count) = self.count {
            add(format_args!("{count} times"));
        }
        if let Some(records) = self.records {
            add(format_args!("{records} records"));
        }
        if let Some(why) = &self.why {
            add(format_args!("{}", Escaped(why)));
        }
        if let Some(reason) = &self.reason {
            add(format_args!("reason “{}”", Escaped(reason)));
        }
        if let Some(lease) = &self.lease {
            add(format_args!("lease {}", Escaped(lease)));
        }
        text
    }
}

/// What best distinguishes a caller from others of its account.
fn best_name<'c>(caller: &'c Caller<'_>) -> Option<&'c str> {
    let names = [&caller.unit, &caller.user_unit, &caller.exe];
    names.into_iter().find_map(Option::as_deref)
}

/// Text whose control characters, and those that change the direction or the visibility of others,
/// are written as escapes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            let hidden = matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}');
            if c.is_control() || hidden {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// Which records are wanted. What is `None` or empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// This purpose.
    pub purpose: Option<String>,
    /// This secret.
    pub secret: Option<String>,
    /// This lease.
    pub lease: Option<String>,
    /// This caller.
    pub caller: Option<CallerIs>,
    /// Recorded at this time or later, by the broker's wall clock.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
    /// One of these kinds; a word without a dot means all kinds that begin with it and a dot.
    pub kinds: Vec<String>,
}

/// A caller as an operator who searches names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerIs {
    /// The account.
    Uid(u32),
    /// A unit (with or without `.service`), a user unit, a program's path or its last part.
    Named(String),
}

impl From<&str> for CallerIs {
    fn from(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Named(text.to_owned()), Self::Uid)
    }
}

impl Filter {
    /// Whether this record is wanted.
    #[must_use]
    pub fn matches(&self, line: &Line<'_>) -> bool {
        let same = |wanted: &Option<String>, found: &Option<Cow<'_, str>>| {
            wanted.is_none() || wanted.as_deref() == found.as_deref()
        };
        same(&self.purpose, &line.purpose)
            && same(&self.secret, &line.secret)
            && same(&self.lease, &line.lease)
            && self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time < until)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| is_kind(kind, &line.kind)))
            && self
                .caller
                .as_ref()
                .is_none_or(|caller| caller.matches(line))
    }
}

fn is_kind(wanted: &str, kind: &str) -> bool {
    let rest = kind.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && !wanted.contains('.')))
}

impl CallerIs {
    fn matches(&self, line: &Line<'_>) -> bool {
        match (self, &line.caller) {
            (Self::Uid(uid), Some(caller)) => *uid == caller.uid,
            (Self::Uid(uid), None) => line.uid == Some(*uid),
            (Self::Named(_), None) => false,
            (Self::Named(name), Some(caller)) => {
                let unit = |unit: &str| unit == name || unit.strip_suffix(".service") == Some(name);
                let exe = |exe: &str| exe == name || exe.rsplit('/').next() == Some(name);
                caller.unit.as_deref().is_some_and(unit)
                    || caller.user_unit.as_deref().is_some_and(unit)
                    || caller.exe.as_deref().is_some_and(exe)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = r#"{"v":1,"seq":41,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"lease.denied","caller":{"uid":1000,"gid":1000,"unit":"label-sync.service","exe":"/usr/bin/curl"},"purpose":"label-sync","code":"denied","why":"no rule matches the caller","reason":"line\n\u001b[2J\u202eright to left"}"#;
    const REVOKED: &str = r#"{"v":1,"seq":42,"time":"2026-11-21T08:00:00.000000Z","prev":"00","kind":"lease.revoked","lease":"00112233445566778899aabbccddeeff","purpose":"label-sync","secret":"org-label-sync-token","by":{"uid":0,"gid":0},"why":"asked for"}"#;
    const MORE: &str = r#"{"v":1,"seq":43,"time":"2026-11-21T09:00:00.000000Z","prev":"00","kind":"lease.denied_more","uid":1000,"count":7,"since":"2026-11-21T08:00:00Z"}"#;

    /// The numbers of the records above that a filter lets through.
    fn found(filter: &Filter) -> Vec<u64> {
        let lines = [DENIED, REVOKED, MORE].map(|line| Line::parse(line.as_bytes()).unwrap());
        lines
            .iter()
            .filter(|line| filter.matches(line))
            .map(|line| line.seq)
            .collect()
    }

    #[test]
    fn a_summary_says_who_wanted_what_and_why_not_on_one_harmless_line() {
        let want = "2026-11-21T07:00:00Z 41 lease.denied, uid 1000, label-sync.service, \
                    label-sync, denied, no rule matches the caller, \
                    reason “line\\n\\u{1b}[2J\\u{202e}right to left”";
        assert_eq!(Line::parse(DENIED.as_bytes()).unwrap().summary(), want);
        let want = "2026-11-21T08:00:00Z 42 lease.revoked, uid 0, label-sync, \
                    org-label-sync-token, asked for, lease 00112233445566778899aabbccddeeff";
        assert_eq!(Line::parse(REVOKED.as_bytes()).unwrap().summary(), want);
        let want = "2026-11-21T09:00:00Z 43 lease.denied_more, uid 1000, 7 times";
        assert_eq!(Line::parse(MORE.as_bytes()).unwrap().summary(), want);
    }

    #[test]
    fn a_filter_without_wishes_wants_everything() {
        assert_eq!(found(&Filter::default()), [41, 42, 43]);
    }

    #[test]
    fn each_wish_narrows() {
        let narrowed = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            found(&filter)
        };
        assert_eq!(
            narrowed(|f| f.purpose = Some("label-sync".into())),
            [41, 42]
        );
        assert_eq!(
            narrowed(|f| f.secret = Some("org-label-sync-token".into())),
            [42]
        );
        assert_eq!(
            narrowed(|f| f.lease = Some("00112233445566778899aabbccddeeff".into())),
            [42]
        );
        assert_eq!(
            narrowed(|f| f.since = "2026-11-21T08:00:00Z".parse().ok()),
            [42, 43]
        );
        assert_eq!(
            narrowed(|f| f.until = "2026-11-21T08:00:00Z".parse().ok()),
            [41]
        );
        assert_eq!(narrowed(|f| f.kinds = vec!["lease.denied".into()]), [41]);
        assert_eq!(narrowed(|f| f.kinds = vec!["lease".into()]), [41, 42, 43]);
        assert_eq!(
            narrowed(|f| f.kinds = vec!["vault".into(), "lease.revoked".into()]),
            [42]
        );
        assert_eq!(narrowed(|f| f.kinds = vec!["leas".into()]), [0; 0]);
    }

    #[test]
    fn a_caller_is_found_by_account_unit_or_program() {
        let by = |caller: &str| {
            found(&Filter {
                caller: Some(caller.into()),
                ..Filter::default()
            })
        };
        assert_eq!(by("1000"), [41, 43]);
        assert_eq!(by("0"), [42]);
        for name in ["label-sync", "label-sync.service", "curl", "/usr/bin/curl"] {
            assert_eq!(by(name), [41], "{name}");
        }
        assert_eq!(by("bin/curl"), [0; 0]);
    }

    #[test]
    fn a_kind_from_the_future_is_shown_as_far_as_it_is_understood() {
        let line = r#"{"v":1,"seq":7,"time":"2026-11-21T07:00:00.000000Z","prev":"","kind":"x.y","purpose":"p","new":{"a":[1]}}"#;
        let summary = Line::parse(line.as_bytes()).unwrap().summary();
        assert_eq!(summary, "2026-11-21T07:00:00Z 7 x.y, p");
        let odd = line.replace(r#""p""#, "[1]");
        let summary = Line::parse(odd.as_bytes()).unwrap().summary();
        assert_eq!(summary, "2026-11-21T07:00:00Z 7 x.y");
        assert!(Line::parse(b"{\"seq\":1}").is_err());
    }

    #[test]
    fn every_lease_the_broker_grants_can_be_shown() {
        let vector = include_str!("../../../tests/vectors/audit-chain-v1.txt");
        let records = vector.lines().filter_map(|line| line.split_once('\t'));
        let line = records.map(|(record, _)| record).next_back().unwrap();
        let summary = Line::parse(line.as_bytes()).unwrap().summary();
        let want = "2026-11-21T07:00:01Z 2 lease.granted, uid 1000, label-sync.service, \
                    label-sync, org-label-sync-token, raw, rule label-sync.toml#1, \
                    until 2026-11-21T07:15:01Z, reason “nächtlich”, \
                    lease 00112233445566778899aabbccddeeff";
        assert_eq!(summary, want);
    }
}
