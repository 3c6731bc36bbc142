//! `audit`: read the log through the broker, which records that as `audit.read`, or with `--dir` the
//! files themselves, where the account may.

use broker_protocol::api::AuditHead;

use crate::args::{AuditCommand, AuditSource};
use crate::broker::Broker;
use crate::commands::records::{Records, summary, wanted};
use crate::error::Failure;
use crate::ui;

pub(crate) fn run(broker: &Broker, command: AuditCommand, json: bool) -> Result<(), Failure> {
    match command {
        AuditCommand::Tail {
            lines,
            follow,
            from,
        } => {
            let records = records(broker, from);
            let mut next = records.last(lines, |line| print(line, json))?;
            if !follow {
                return Ok(());
            }
            loop {
                next = records.wait_for(next, |line| print(line, json))?;
            }
        }
        AuditCommand::Search { wanted: w, from } => {
            records(broker, from).each(0, None, |line| match wanted(line, &w) {
                true => print(line, json),
                false => Ok(()),
            })
        }
        AuditCommand::Export { from, to, source } => {
            records(broker, source).each(from, to, ui::bytes)
        }
        AuditCommand::Key => {
            let answer = broker.get("/v1/audit/head")?;
            if json {
                return ui::json(&answer.body);
            }
            ui::line(answer.json::<AuditHead>()?.key)
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
            "a line of the log is no record; `tokenctl audit verify` says where",
        )),
    }
}
