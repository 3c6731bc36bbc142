//! `policy explain`: what policies say to a request, and why.
//!
//! What counts is what the running broker has loaded, so an operator's question goes there. Where no broker can be
//! asked, or the account is no operator, the files are explained, by `tokend`: this program does not link policy.

use std::ffi::OsString;

use broker_protocol::api::{ExplainRequest, Explained, ExplainedCaller};
use broker_protocol::client::ClientError;
use broker_protocol::error::ErrorCode;

use super::status::few;
use super::{daemon, find, get};
use crate::args::{Explain, Global, Who};
use crate::clock;
use crate::error::Failure;
use crate::ui;

pub(crate) fn run(asked: Explain, global: Global) -> Result<(), Failure> {
    let dir = asked.dir.clone();
    let question = question(asked)?;
    if dir.is_some() {
        return files(&question, dir.map(OsString::from), &global);
    }
    let json = global.json;
    let broker = find(global.clone())?;
    let answer = broker.post("/v1/policies/explain", &question);
    match answer {
        Ok(answer) => ui::answer(&answer, json, print),
        Err(failure) => match why_not_asked(&failure) {
            Some(why) => {
                ui::note(format_args!("the broker was not asked: {why}"));
                files(&question, None, &global)
            }
            None => Err(failure),
        },
    }
}

/// Why the files are explained instead; `None` if they are not.
fn why_not_asked(failure: &Failure) -> Option<String> {
    let Failure::Broker(error) = failure else {
        return None;
    };
    match error {
        ClientError::Problem { problem, .. } if problem.code == ErrorCode::Denied => {
            Some(problem.detail.clone())
        }
        ClientError::NotThere(_)
        | ClientError::Deserted(_)
        | ClientError::Forbidden(_)
        | ClientError::Connect { .. } => Some(error.to_string()),
        _ => None,
    }
}

fn question(asked: Explain) -> Result<ExplainRequest, Failure> {
    let lease = get::request(asked.purpose, asked.access)?;
    Ok(ExplainRequest {
        purpose: lease.purpose,
        caller: described(asked.who),
        repositories: lease.repositories,
        organization: lease.organization,
        permissions: lease.permissions,
        ttl: lease.ttl,
        request: asked.request,
    })
}

/// `None`: this process itself.
fn described(who: Who) -> Option<ExplainedCaller> {
    let described = ExplainedCaller {
        pid: who.pid,
        user: who.user,
        uid: who.uid,
        groups: who.group,
        unit: who.unit,
        user_unit: who.user_unit,
        exe: who.exe,
    };
    (described != ExplainedCaller::default()).then_some(described)
}

/// Becomes `tokend`, which reads them.
fn files(question: &ExplainRequest, dir: Option<OsString>, global: &Global) -> Result<(), Failure> {
    let text = serde_json::to_string(question);
    let text = text.map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
    let mut args = vec![OsString::from(text)];
    if let Some(dir) = dir {
        args.extend([OsString::from("--dir"), dir]);
    }
    daemon::run_either_way(&["policy", "explain"], &args, global)
}

fn print(explained: Explained) -> Result<(), Failure> {
    for line in &explained.lines {
        ui::line(line)?;
    }
    if let Some(since) = explained.in_force_since {
        ui::line(format_args!("in force since {}", clock::moment(since)))?;
    }
    if !explained.files_changed.is_empty() {
        ui::warning(format_args!(
            "not in force: what changed on disk since ({}); `tokenctl policy reload` loads it",
            few(&explained.files_changed)
        ));
    }
    Ok(())
}
