//! `audit`: verify the log offline, and read it.
//!
//! `verify` works offline: it reads files and needs neither broker nor key, so that an auditor need
//! trust neither. The rest reads through the broker, which records that as `audit.read`, or with
//! `--dir` the files themselves, where the account may.

use std::path::PathBuf;
use std::thread;

use broker_audit::files::{self, Tail};
use broker_protocol::api::AuditHead;

use crate::args::{AuditCommand, AuditSource};
use crate::broker::Broker;
use crate::commands::records::{Records, summary, wanted};
use crate::error::Failure;
use crate::ui;

pub(crate) fn run(broker: &Broker, command: AuditCommand, json: bool) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { paths } => verify(broker, paths, json),
        AuditCommand::Tail {
            lines,
            follow,
            from,
        } => {
            let records = records(broker, from);
            let mut next = records.last(lines, &mut |line| print(line, json))?;
            if !follow {
                return Ok(());
            }
            loop {
                next = records.wait_for(next, &mut |line| print(line, json))?;
            }
        }
        AuditCommand::Search { wanted: w, from } => {
            records(broker, from).each(0, None, &mut |line| match wanted(line, &w) {
                true => print(line, json),
                false => Ok(()),
            })
        }
        AuditCommand::Export { from, to, source } => {
            records(broker, source).each(from, to, &mut ui::bytes)
        }
        AuditCommand::Key => {
            let answer = broker.get("/v1/audit/head")?;
            ui::answer(&answer, json, |head: AuditHead| ui::line(head.key))
        }
    }
}

fn records(broker: &Broker, from: AuditSource) -> Records<'_> {
    from.dir.map_or(Records::Broker(broker), Records::Directory)
}

/// One record, with its newline, as it is or in short.
fn print(line: &[u8], json: bool) -> Result<(), Failure> {
    if json {
        return ui::bytes(line);
    }
    match summary(line) {
        Some(text) => ui::line(text),
        None => Err(Failure::new(
            "a line of the log is not a record; `tokenctl audit verify` shows which",
        )),
    }
}

/// Verifies the segments named, or the broker's own log. To that one it may be writing at this moment,
/// so a last line without its newline is no fault there.
fn verify(broker: &Broker, mut paths: Vec<PathBuf>, json: bool) -> Result<(), Failure> {
    let live = &broker.places.audit;
    if paths.is_empty() {
        paths.push(live.clone());
    }
    let tail = match paths.contains(live) {
        true => Tail::Live,
        false => Tail::Closed,
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let verified = files::verify(&paths, tail, threads).map_err(|failure| match failure {
        files::Failure::Unreadable { path, source } => Failure::file("read", &path)(source),
        other => Failure::Verification(other.to_string()),
    })?;
    for path in &verified.ignored {
        ui::note(format_args!(
            "{} is not a segment and was ignored",
            path.display()
        ));
    }
    if verified.unfinished > 0 {
        ui::note(format_args!(
            "{} bytes at the end are a record being written, or an incomplete one",
            verified.unfinished
        ));
    }
    let report = &verified.report;
    if json {
        return ui::print_json(&serde_json::json!({
            "records": report.records(),
            "first": report.first,
            "head": report.head.hash.to_string(),
            "anchored": false,
        }));
    }
    ui::line(report)?;
    ui::note(NOT_ANCHORED);
    Ok(())
}

/// What the last words of a verifier mean, which docs/audit-format.md fixes.
const NOT_ANCHORED: &str = "not anchored: the chain is whole up to that head, and whether it is the head you noted before is \
     for you to compare; keep this one where the broker's account cannot write";
