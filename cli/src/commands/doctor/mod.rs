//! `doctor`: finds problems on this machine and shows how to fix each.
//!
//! Two kinds of finding: something wrong (exit code 1), and something to look at. What only the
//! broker knows comes from its status; the rest is checked here: files, modes, and tokens left
//! in places that the broker should have replaced. Of those only the places are named.

mod local;
mod sources;
mod status;

use broker_protocol::api::Status;
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
    local::files(&mut found, &broker.places);
    let probed = sources::probe(broker);
    match broker.read::<Status>("/v1/status") {
        Ok(seen) => {
            status::from_status(&mut found, &seen);
            if let Some(all) = &seen.broker {
                local::next_start(&mut found, &broker.places, all);
                status::warning_channels(&mut found, &broker.places, all);
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
        Err(failure) => {
            let hint = failure.hint().unwrap_or_default();
            found.wrong(failure.to_string(), hint);
        }
    }
    local::left_behind(&mut found);

    let wrong = found.0.iter().filter(|f| f.state == "wrong").count();
    if json {
        ui::print_json(&found.0)?;
    } else {
        for finding in &found.0 {
            ui::line(format_args!("{}: {}", finding.state, finding.what))?;
            if !finding.hint.is_empty() {
                ui::line(format_args!("  hint: {}", finding.hint))?;
            }
        }
    }
    match wrong {
        0 if json => Ok(()),
        0 if found.0.is_empty() => ui::line("nothing wrong"),
        0 => ui::line("nothing wrong; see above what to check"),
        1 => Err(Failure::new("1 thing is wrong")),
        _ => Err(Failure::new(format!("{wrong} things are wrong"))),
    }
}
