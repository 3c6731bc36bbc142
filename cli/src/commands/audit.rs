//! `audit`: verify the log offline, and read it.
//!
//! `verify` works offline: it reads files and needs neither broker nor key, so that an auditor need
//! trust neither. The rest reads through the broker, which records that as `audit.read`, or with
//! `--dir` the files themselves, where the account may.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use broker_audit::files::{self, Tail};
use broker_protocol::api::AuditHead;
use broker_protocol::counted::counted;

use crate::account::AccountNames;
use crate::args::{AuditCommand, AuditSource};
use crate::broker::Broker;
use crate::commands::records::{Records, Search, summary};
use crate::error::Failure;
use crate::shell::quoted;
use crate::ui;

pub(crate) fn run(broker: &Broker, command: AuditCommand, json: bool) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { paths } => verify(broker, paths, json),
        AuditCommand::Tail {
            lines,
            follow,
            from,
        } => {
            let mut show = Shown::of(broker, &from, json);
            let records = records(broker, from);
            let mut next = records.last(lines, &mut |line| show.print(line))?;
            if !follow {
                return Ok(());
            }
            loop {
                next = records.wait_for(next, &mut |line| show.print(line))?;
            }
        }
        AuditCommand::Search {
            wanted,
            limit,
            from,
        } => {
            let mut show = Shown::of(broker, &from, json);
            search(
                &records(broker, from),
                Search::new(wanted)?,
                limit,
                &mut |line| show.print(line),
            )
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

fn search(
    records: &Records<'_>,
    mut search: Search,
    limit: Option<usize>,
    show: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(limit) = limit else {
        return records.each(0, None, &mut |line| match search.finds(line) {
            true => show(line),
            false => Ok(()),
        });
    };
    let mut last = VecDeque::new();
    records.each(0, None, &mut |line| {
        if search.finds(line) {
            last.push_back(line.to_vec());
            if last.len() > limit {
                last.pop_front();
            }
        }
        Ok(())
    })?;
    last.iter().try_for_each(|line| show(line))
}

/// How records are shown: as they are, or each in a line.
enum Shown {
    Json,
    Text {
        /// `None` where the log may be another machine's, whose accounts this one does not know.
        names: Option<AccountNames>,
    },
}

impl Shown {
    fn of(broker: &Broker, from: &AuditSource, json: bool) -> Self {
        if json {
            return Self::Json;
        }
        let own = from.dir.as_ref().is_none_or(|dir| {
            let real = (dir.canonicalize(), broker.places.audit.canonicalize());
            matches!(real, (Ok(dir), Ok(own)) if dir == own)
        });
        let names = own.then(AccountNames::default);
        Self::Text { names }
    }

    /// Prints one record, which has its newline.
    fn print(&mut self, line: &[u8]) -> Result<(), Failure> {
        let text = match self {
            Self::Json => return ui::json_line(line),
            Self::Text { names: Some(names) } => summary(line, &mut |uid| names.of(uid).to_owned()),
            Self::Text { names: None } => summary(line, &mut |uid| uid.to_string()),
        };
        match text {
            Some(text) => ui::line(text),
            None => Err(Failure::new(
                "a line of the log is not a record; `tokenctl audit verify` shows which",
            )),
        }
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
        files::Failure::Unreadable { path, source } => unreadable(broker, &path, source),
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
            "{} at the end: a record being written, or an incomplete one",
            counted(verified.unfinished, "byte")
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

/// Names the file, and who may read it. A service's log is its own account's and its auditors'.
fn unreadable(broker: &Broker, path: &Path, source: io::Error) -> Failure {
    let config = broker.places.config.display();
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "run `sudo tokenctl --config {} audit verify`, or have this account added to the group that `[audit] read_group` in \
             {config} names; `tokenctl audit tail` asks the broker instead",
            quoted(&config.to_string())
        ),
        io::ErrorKind::NotFound => format!(
            "this is where {config} has its log; --config names the configuration of another broker, and \
             a PATH another log"
        ),
        _ => return Failure::file("read", path)(source),
    };
    Failure::with_hint(Failure::file("read", path)(source).to_string(), hint)
}

/// What the last words of a verifier mean, which docs/audit-format.md fixes.
const NOT_ANCHORED: &str = "not anchored: the chain is whole up to that head, and whether it is the head you noted before is \
     for you to compare; keep this one where the broker's account cannot write";

#[cfg(test)]
mod tests {
    use broker_protocol::paths::Paths;

    use super::*;

    #[test]
    fn a_log_that_cannot_be_read_is_named_with_who_may_read_it() {
        let broker = Broker {
            places: Paths::system(),
        };
        for (kind, hint) in [
            (
                io::ErrorKind::PermissionDenied,
                "run `sudo tokenctl --config /etc/tokend/tokend.toml audit verify`, or have this \
                 account added to the group that `[audit] read_group` in /etc/tokend/tokend.toml",
            ),
            (
                io::ErrorKind::NotFound,
                "--config names the configuration of another broker",
            ),
        ] {
            let failure = unreadable(&broker, &broker.places.audit, kind.into());
            let text = failure.to_string();
            assert!(
                text.starts_with("cannot read /var/lib/tokend/audit: "),
                "{text}"
            );
            assert!(failure.hint().unwrap().contains(hint), "{kind}");
        }
    }
}
