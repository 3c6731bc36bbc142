//! The records of an audit log, one line after the other: asked of the broker, or read from files.
//!
//! Lines are handed on byte for byte. For display and for `search` their fields are read by
//! name, and what a later version adds is shown no worse than what is known today.
//!
//! Not here: whether the chain holds (`broker_audit`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_protocol::api::AuditHead;
use broker_protocol::client::Request;
use jiff::Timestamp;
use serde_json::Value;

use crate::args::Wanted;
use crate::broker::Broker;
use crate::error::Failure;

/// Where records are read.
pub(crate) enum Records<'a> {
    /// Through the broker.
    Broker(&'a Broker),
    /// From the segments in a directory.
    Directory(PathBuf),
}

/// What is done with a line.
type Show<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

impl Records<'_> {
    /// Shows each record from number `from` to number `to`, or to the last there is now.
    pub(crate) fn each(&self, from: u64, to: Option<u64>, show: Show<'_>) -> Result<(), Failure> {
        // The end is fixed first: reading through the broker is itself recorded, and would be read.
        let end = to
            .map_or(u64::MAX, |to| to.saturating_add(1))
            .min(self.count()?);
        let mut next = from;
        while next < end {
            let before = next;
            next = self.page(next, PAGE.min(end - next), 0, show)?;
            if next == before {
                return Err(Failure::new(format!("the log holds no record {next}")));
            }
        }
        Ok(())
    }

    /// Shows the last `lines` records and returns the number of the one that comes next.
    pub(crate) fn last(&self, lines: usize, show: Show<'_>) -> Result<u64, Failure> {
        let end = self.count()?;
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.each(end.saturating_sub(lines), end.checked_sub(1), show)?;
        Ok(end)
    }

    /// Shows what is there from number `next` on, waiting a while for the first; returns the number
    /// that comes next.
    pub(crate) fn wait_for(&self, next: u64, show: Show<'_>) -> Result<u64, Failure> {
        if let Self::Directory(_) = self {
            return Err(Failure::Usage(
                "--follow needs the broker; leave out --dir".into(),
            ));
        }
        self.page(next, PAGE, WAIT.as_secs(), show)
    }

    /// How many records there are.
    fn count(&self) -> Result<u64, Failure> {
        match self {
            Self::Broker(broker) => Ok(broker.read::<AuditHead>("/v1/audit/head")?.records),
            Self::Directory(dir) => {
                let Some((first, path)) = segments(dir)?.pop_last() else {
                    return Err(Failure::new(format!("no audit log in {}", dir.display())));
                };
                let mut lines = 0;
                each_line(&path, |_| {
                    lines += 1;
                    Ok(true)
                })?;
                Ok(first + lines)
            }
        }
    }

    /// Shows at most `limit` records from number `from` on; returns the number that comes next.
    fn page(&self, from: u64, limit: u64, wait: u64, show: Show<'_>) -> Result<u64, Failure> {
        let mut next = from;
        match self {
            Self::Broker(broker) => {
                let mut path = format!("/v1/audit/records?from={from}&limit={limit}");
                if wait > 0 {
                    path.push_str(&format!("&wait={wait}"));
                }
                let request = Request::new("GET", &path).patience(2 * WAIT);
                let answer = broker.send(&request)?;
                for line in answer.body.split_inclusive(|b| *b == b'\n') {
                    show(line)?;
                    next += 1;
                }
            }
            Self::Directory(dir) => {
                let segments = segments(dir)?;
                // The segment that holds `from`, and all after it.
                let holds = segments.range(..=from).next_back();
                for (first, path) in segments.range(holds.map_or(0, |(first, _)| *first)..) {
                    let mut seq = *first;
                    each_line(path, |line| {
                        if seq >= from && next - from < limit {
                            show(line)?;
                            next += 1;
                        }
                        seq += 1;
                        Ok(next - from < limit)
                    })?;
                }
            }
        }
        Ok(next)
    }
}

/// The segments in a directory by the number of their first record.
fn segments(dir: &Path) -> Result<BTreeMap<u64, PathBuf>, Failure> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(Failure::file("read", dir))? {
        let path = entry.map_err(Failure::file("read", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(first) = name.and_then(broker_audit::segment::first_record) {
            found.insert(first, path);
        }
    }
    Ok(found)
}

/// Each whole line of a file, newline included, until `show` says no. A last line without a newline
/// is a record on its way.
fn each_line(
    path: &Path,
    mut show: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut file = BufReader::new(File::open(path).map_err(Failure::file("read", path))?);
    let mut line = Vec::new();
    loop {
        line.clear();
        file.read_until(b'\n', &mut line)
            .map_err(Failure::file("read", path))?;
        if !line.ends_with(b"\n") || !show(&line)? {
            return Ok(());
        }
    }
}

/// Whether a record is what the options ask for; one that cannot be read is not.
pub(crate) fn wanted(line: &[u8], w: &Wanted) -> bool {
    let Ok(record) = serde_json::from_slice::<Value>(line) else {
        return false;
    };
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let names = |field: &str, name: Option<&str>| name.is_none_or(|n| text(field) == Some(n));
    let time = || text("time").and_then(|time| time.parse::<Timestamp>().ok());
    names("purpose", w.purpose.as_ref().map(|p| p.as_str()))
        && names("secret", w.secret.as_ref().map(|s| s.as_str()))
        && names("lease", w.lease.as_ref().map(|l| l.as_str()))
        && w.kind.as_deref().is_none_or(|kind| {
            let rest = text("kind").and_then(|have| have.strip_prefix(kind));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        && w.caller.as_deref().is_none_or(|who| is_by(&record, who))
        && w.since
            .is_none_or(|since| time().is_some_and(|t| t >= since))
        && w.until
            .is_none_or(|until| time().is_some_and(|t| t < until))
}

/// Whether `who` is the uid, a unit or the program of the caller that a record names.
fn is_by(record: &Value, who: &str) -> bool {
    let is_who = |value: &Value| match value {
        Value::String(text) => text == who,
        Value::Number(uid) => uid.to_string() == who,
        _ => false,
    };
    let Some(caller) = caller(record) else {
        // A count of refusals names only the account.
        return record.get("uid").is_some_and(is_who);
    };
    ["uid", "subordinate_of", "unit", "user_unit", "exe"]
        .into_iter()
        .filter_map(|name| caller.get(name))
        .any(is_who)
}

fn caller(record: &Value) -> Option<&Value> {
    record.get("caller").or_else(|| record.get("by"))
}

/// A record in one line: number, time, kind, and the fields that tell most.
pub(crate) fn summary(line: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let seconds = text("time")?.get(..19)?;
    let mut out = format!(
        "{:>6}  {seconds}Z  {:<16}",
        record.get("seq")?.as_u64()?,
        text("kind")?
    );
    let uid = caller(&record).and_then(|caller| caller.get("uid"));
    if let Some(uid) = uid.or_else(|| record.get("uid")) {
        out.push_str(&format!("  uid={uid}"));
    }
    if let Some(owner) = caller(&record).and_then(|caller| caller.get("subordinate_of")) {
        out.push_str(&format!("  subordinate_of={owner}"));
    }
    for name in [
        "purpose",
        "secret",
        "repository",
        "lease",
        "method",
        "path",
        "status",
        "rule",
        "code",
        "state",
        "deadline",
        "reason",
        "why",
        "from",
        "to",
        "root_key",
    ] {
        match record.get(name) {
            Some(Value::String(value)) if value.contains(' ') => {
                out.push_str(&format!("  {name}={value:?}"));
            }
            Some(Value::String(value)) => out.push_str(&format!("  {name}={value}")),
            Some(Value::Number(value)) => out.push_str(&format!("  {name}={value}")),
            _ => {}
        }
    }
    for name in ["fields", "touches"] {
        let names = record.get("graphql").and_then(|graphql| graphql.get(name));
        let names = names.and_then(Value::as_array).into_iter().flatten();
        let names: Vec<_> = names.filter_map(Value::as_str).collect();
        if !names.is_empty() {
            out.push_str(&format!("  {name}={}", names.join(",")));
        }
    }
    Some(out)
}

/// The most the broker gives at once.
const PAGE: u64 = 1000;

/// How long one request waits for a record.
const WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const GRANTED: &[u8] = br#"{"v":1,"seq":7,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"lease.granted","lease":"0123456789abcdef0123456789abcdef","caller":{"uid":1000,"gid":1000,"unit":"sync.service"},"purpose":"label-sync","secret":"s","rule":"label-sync.toml#1","reason":"by night"}
"#;

    fn nothing() -> Wanted {
        Wanted {
            purpose: None,
            secret: None,
            caller: None,
            lease: None,
            kind: None,
            since: None,
            until: None,
        }
    }

    #[test]
    fn a_record_is_one_line_with_what_tells_most() {
        assert_eq!(
            summary(GRANTED).unwrap(),
            "     7  2026-11-21T07:00:00Z  lease.granted     uid=1000  purpose=label-sync  secret=s  \
             lease=0123456789abcdef0123456789abcdef  rule=label-sync.toml#1  reason=\"by night\""
        );
        let answered = br#"{"v":1,"seq":8,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"proxy.response","lease":"0123456789abcdef0123456789abcdef","method":"GET","path":"/repos/acme/site/labels","status":200,"sent":0,"received":12}"#;
        assert_eq!(
            summary(answered).unwrap(),
            "     8  2026-11-21T07:00:00Z  proxy.response    lease=0123456789abcdef0123456789abcdef  \
             method=GET  path=/repos/acme/site/labels  status=200"
        );
        let graphql = br#"{"v":1,"seq":9,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"proxy.request","lease":"0123456789abcdef0123456789abcdef","method":"POST","path":"/graphql","graphql":{"fields":["addComment","closeIssue"],"touches":["acme/site"]}}"#;
        assert_eq!(
            summary(graphql).unwrap(),
            "     9  2026-11-21T07:00:00Z  proxy.request     lease=0123456789abcdef0123456789abcdef  \
             method=POST  path=/graphql  fields=addComment,closeIssue  touches=acme/site"
        );
        assert_eq!(summary(b"nonsense"), None);
    }

    #[test]
    fn every_condition_must_hold() {
        let day = |text: &str| Some(text.parse().unwrap());
        let kind = |text: &str| Wanted {
            kind: Some(text.to_owned()),
            ..nothing()
        };
        let by = |text: &str| Wanted {
            caller: Some(text.to_owned()),
            ..nothing()
        };
        let since = |text| Wanted {
            since: day(text),
            ..nothing()
        };
        let until = |text| Wanted {
            until: day(text),
            ..nothing()
        };
        for (w, want) in [
            (nothing(), true),
            (kind("lease"), true),
            (kind("lease.granted"), true),
            (kind("lease.g"), false),
            (by("1000"), true),
            (by("sync.service"), true),
            (by("100"), false),
            (since("2026-11-21T07:00:00Z"), true),
            (since("2026-11-21T07:00:01Z"), false),
            (until("2026-11-21T07:00:00Z"), false),
            (until("2026-11-21T07:00:01Z"), true),
            (
                Wanted {
                    purpose: Some("other".parse().unwrap()),
                    ..kind("lease")
                },
                false,
            ),
        ] {
            assert_eq!(wanted(GRANTED, &w), want);
        }
    }

    #[test]
    fn records_are_read_across_segments_without_the_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let name = |first: u64| dir.path().join(format!("{first:020}.jsonl"));
        fs::write(name(0), "a\nb\n").unwrap();
        fs::write(name(2), "c\nd\ntorn").unwrap();
        fs::write(dir.path().join("notes.txt"), "x\n").unwrap();
        let records = Records::Directory(dir.path().to_owned());
        let read = |from, to| {
            let mut all = String::new();
            let result = records.each(from, to, &mut |line| {
                all.push_str(std::str::from_utf8(line).unwrap());
                Ok(())
            });
            result.map(|()| all)
        };
        assert_eq!(read(0, None).unwrap(), "a\nb\nc\nd\n");
        assert_eq!(read(1, Some(2)).unwrap(), "b\nc\n");
        assert_eq!(read(3, Some(99)).unwrap(), "d\n");
        let mut last = Vec::new();
        let next = records.last(3, &mut |line| {
            last.extend_from_slice(line);
            Ok(())
        });
        assert_eq!((next.unwrap(), &*last), (4, &b"b\nc\nd\n"[..]));
    }
}
