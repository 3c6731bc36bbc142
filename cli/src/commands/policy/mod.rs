//! `policy new` and `policy allow`: what is otherwise written by hand.
//!
//! The broker decides whether it is good, and refuses it as it would refuse an editor's work; then it is
//! taken back. Where no broker runs, `tokend policy check` decides, as the next start would.

mod allow;
mod new;

use broker_protocol::api::Reloaded;
use broker_protocol::names::Purpose;
use serde::Serialize;

pub(crate) use self::allow::allow;
pub(crate) use self::new::new;
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui;

/// What was done about a purpose's file.
#[derive(Serialize)]
struct Written<'a> {
    purpose: &'a Purpose,
    file: String,
    changed: bool,
    /// The broker has loaded it. `false` where none runs: then it does at its next start. `None` if nothing
    /// was changed.
    in_force: Option<bool>,
    warnings: Vec<String>,
}

impl Written<'_> {
    /// Says so. `done` is what was done to the file.
    fn report(&self, done: &str, json: bool) -> Result<(), Failure> {
        if json {
            ui::print_json(self)?;
        } else {
            let force = match self.in_force {
                Some(true) | None => "in force",
                Some(false) => "checked; no broker runs, so it is loaded at the next start",
            };
            ui::line(format_args!("{done} {}: {force}", self.file))?;
        }
        self.warnings.iter().for_each(ui::warning);
        Ok(())
    }
}

/// The warnings about one file: another's are not this command's.
fn about(file: &str, warnings: Vec<String>) -> Vec<String> {
    let mut warnings = warnings;
    warnings.retain(|warning| warning.starts_with(&format!("{file}:")));
    warnings
}

/// What an account that may not write the policies does instead: prints the lines, and says where they go.
fn by_hand(broker: &Broker, lines: &str, file: &str, command: &str, json: bool) -> Failure {
    let config = broker.places.config.display();
    let put = match lines_to_add(lines, json) {
        Ok(put) => put,
        Err(failure) => return failure,
    };
    Failure::Waiting(format!(
        "this account may not write {file}; put {put} there and run `tokenctl policy reload`, or run \
         `sudo tokenctl --config {config} policy {command}`"
    ))
}

/// Prints them as the result, or where that is JSON, has them in the message.
fn lines_to_add(lines: &str, json: bool) -> Result<String, Failure> {
    if json {
        return Ok(format!("`{lines}`"));
    }
    ui::bytes(lines.as_bytes())?;
    Ok("the lines above".to_owned())
}

fn lease_ends(loaded: &Reloaded) {
    for lease in &loaded.revoked {
        ui::note(format_args!(
            "lease {lease} is no longer allowed and was revoked"
        ));
    }
}
