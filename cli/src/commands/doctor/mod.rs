//! `doctor`: finds problems on this machine and shows how to fix each.
//!
//! Two kinds of finding: something wrong (exit code 1), and something to look at. What only the
//! broker knows comes from its status; the rest is checked here: files, modes, the environment, and tokens left
//! in places that the broker should have replaced. Of those only the places are named. One fault is one finding.

mod environment;
mod local;
mod sources;
mod status;

use std::path::Path;
use std::{env, fs, io};

use broker_protocol::api::{BrokerStatus, Status};
use broker_protocol::paths::Paths;
use broker_protocol::whole_file;
use nix::unistd::geteuid;
use serde::Serialize;

use crate::broker::Broker;
use crate::error::Failure;
use crate::ui;

/// A problem, or something to check.
#[derive(Serialize)]
struct Finding {
    /// `wrong` or `look`.
    state: &'static str,
    what: String,
    hint: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn wrong(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.add("wrong", what.into(), hint.into());
    }

    fn look(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.add("look", what.into(), hint.into());
    }

    fn add(&mut self, state: &'static str, what: String, hint: String) {
        self.0.push(Finding { state, what, hint });
    }
}

pub(crate) fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    let mut found = Findings::default();
    let places = &broker.places;
    let socket_is_wrong = local::files(&mut found, places);
    let probed = sources::probe(broker);
    let seen = broker.read::<Status>("/v1/status");
    let all = seen.as_ref().ok().and_then(|seen| seen.broker.as_ref());
    match &seen {
        Ok(seen) => {
            status::from_status(&mut found, seen);
            if let Some(all) = all {
                local::next_start(&mut found, places, all);
                status::warning_channels(&mut found, places, all);
            }
            match &probed {
                Ok(probed) => {
                    if let Some(view) = &probed.one_password {
                        sources::of_one_password(&mut found, view);
                    }
                }
                Err(why) => sources::not_asked(&mut found, why),
            }
        }
        // No broker can be reached for a reason that has a finding of its own.
        Err(_) if socket_is_wrong => {}
        Err(failure) => {
            let dir = env::var_os("XDG_RUNTIME_DIR");
            let own = geteuid().as_raw();
            if !environment::runtime_dir(&mut found, places, dir, own) {
                let hint = failure.hint().unwrap_or_default();
                found.wrong(failure.to_string(), hint);
            }
        }
    }
    let stored = all.map_or(&[][..], |all| &all.secrets);
    environment::variables(&mut found);
    environment::files(&mut found, places, env::var_os("HOME"), stored);
    environment::proxy(&mut found, |name| env::var_os(name));

    let wrong = found.0.iter().filter(|f| f.state == "wrong").count();
    if json {
        ui::print_json(&found.0)?;
    } else {
        for finding in &found.0 {
            ui::sentences(format_args!("{}: {}", finding.state, finding.what))?;
            if !finding.hint.is_empty() {
                ui::sentences(format_args!("  hint: {}", finding.hint))?;
            }
        }
        looked_at(places, seen.is_ok(), all)?;
    }
    match wrong {
        0 if json => Ok(()),
        0 if found.0.is_empty() => ui::line("nothing wrong"),
        0 => ui::line("nothing wrong; see above what to check"),
        1 => Err(Failure::new("1 thing is wrong")),
        _ => Err(Failure::new(format!("{wrong} things are wrong"))),
    }
}

/// Says where these findings come from: no finding is good news only where something was looked at.
fn looked_at(places: &Paths, answered: bool, all: Option<&BrokerStatus>) -> Result<(), Failure> {
    let seen = |path: &Path| match fs::read_dir(path) {
        Ok(_) => path.display().to_string(),
        Err(error) => match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("{} (closed to this account)", path.display())
            }
            io::ErrorKind::NotFound => format!("{} (not there)", path.display()),
            _ => format!("{} ({error})", path.display()),
        },
    };
    let mut looked_at = [
        whole_file::directory_of(&places.config),
        &*places.data,
        whole_file::directory_of(&places.socket),
    ]
    .map(seen)
    .to_vec();
    looked_at.dedup();
    ui::line("looked at:")?;
    for place in looked_at {
        ui::line(format_args!("  {place}"))?;
    }
    match (answered, all) {
        (true, Some(all)) => ui::line(format_args!(
            "  the broker: secrets ({}), sources, purposes ({}), limits, warnings",
            all.secrets.len(),
            all.purposes
        ))?,
        (true, None) => ui::line("  the broker: what it tells an account that is no operator")?,
        (false, _) => {}
    }
    ui::line("  this environment, ~/.github-tokens, and files that were imported")
}
