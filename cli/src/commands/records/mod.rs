//! The records of an audit log, one line after the other: asked of the broker, or read from files.
//!
//! Lines are handed on byte for byte. For display (`summary`) and for `search` their fields are read by
//! name, and what a later version adds is shown no worse than what is known today.
//!
//! Not here: whether the chain holds (`broker_audit`).

mod search;
mod summary;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_audit::files::Extent;
use broker_audit::segment;
use broker_protocol::api::AuditHead;
use broker_protocol::client::Request;
use serde_json::Value;

use crate::broker::Broker;
use crate::error::Failure;

pub(crate) use self::search::Search;
pub(crate) use self::summary::summary;

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
        if let Some(first) = name.and_then(segment::first_record) {
            found.insert(first, path);
        }
    }
    Ok(found)
}

/// Each whole line of a file, newline included, until `show` says no. A last line without a newline
/// is a record on its way. Zero bytes behind it are none: a broker may be about to write there.
fn each_line(
    path: &Path,
    mut show: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let unreadable = || Failure::file("read", path);
    // To open a pipe is to wait for who writes into it.
    if !fs::metadata(path).map_err(unreadable())?.is_file() {
        return Err(unreadable()(io::Error::other("not a regular file")));
    }
    let file = File::open(path).map_err(unreadable())?;
    // Found first: who only reads forwards may see zeros, and then a record that came later behind them.
    let extent = Extent::of(&file).map_err(unreadable())?;
    let mut file = BufReader::new(file.take(extent.content));
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut one = (&mut file).take(segment::MAX_BYTES as u64 + 1);
        one.read_until(b'\n', &mut line).map_err(unreadable())?;
        if line.len() > segment::MAX_BYTES {
            return Err(unreadable()(io::Error::other(
                "a line in it is longer than any record",
            )));
        }
        if !line.ends_with(b"\n") || !show(&line)? {
            return Ok(());
        }
    }
}

/// Who a record names.
struct Who<'r> {
    /// As which: who asked, who acted, or an account alone.
    role: &'static str,
    uid: u32,
    /// All that is known of a caller.
    caller: Option<&'r Value>,
}

fn who(record: &Value) -> Option<Who<'_>> {
    let of = |role: &'static str| {
        let caller = record.get(role)?;
        let uid = u32::try_from(caller.get("uid")?.as_u64()?).ok()?;
        let caller = Some(caller);
        Some(Who { role, uid, caller })
    };
    let alone = || {
        // Such as that of a count of refusals.
        let uid = u32::try_from(record.get("uid")?.as_u64()?).ok()?;
        let (role, caller) = ("account", None);
        Some(Who { role, uid, caller })
    };
    of("caller").or_else(|| of("by")).or_else(alone)
}

/// The most the broker gives at once.
const PAGE: u64 = 1000;

/// How long one request waits for a record.
const WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GRANTED: &[u8] = br#"{"v":1,"seq":7,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"lease.granted","lease":"0123456789abcdef0123456789abcdef","caller":{"uid":1000,"gid":1000,"unit":"sync.service"},"purpose":"label-sync","secret":"s","rule":"label-sync.toml#1","reason":"by night"}
"#;

    #[test]
    fn a_pipe_named_as_a_segment_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join(segment::name(0));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let records = Records::Directory(dir.path().to_owned());
        let refused = records.each(0, None, &mut |_| Ok(())).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("cannot read {}: not a regular file", pipe.display())
        );
    }

    #[test]
    fn records_are_read_across_segments_without_the_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let name = |first: u64| dir.path().join(format!("{first:020}.jsonl"));
        fs::write(name(0), "a\nb\n").unwrap();
        fs::write(dir.path().join("notes.txt"), "x\n").unwrap();
        // What a broker is writing, and zero bytes that it wrote ahead.
        for zeros in [0, 1, 100_000] {
            let end = [&b"c\nd\ntorn"[..], &vec![0; zeros]].concat();
            fs::write(name(2), end).unwrap();
            reads_a_to_d(dir.path());
            let end = [&b"c\nd\n"[..], &vec![0; zeros]].concat();
            fs::write(name(2), end).unwrap();
            reads_a_to_d(dir.path());
        }
    }

    fn reads_a_to_d(dir: &Path) {
        let records = Records::Directory(dir.to_owned());
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
