//! `policy new` and `policy allow`: what is otherwise written by hand.
//!
//! The broker decides whether it is good, and refuses it as it would refuse an editor's work; then it is
//! taken back. Where no broker runs, `tokend policy check` decides, as the next start would.

mod allow;
mod new;

use std::io::{self, ErrorKind};
use std::path::Path;

use broker_protocol::api::Reloaded;
use broker_protocol::names::Purpose;
use serde::Serialize;

pub(crate) use self::allow::allow;
pub(crate) use self::new::new;
use crate::broker::Broker;
use crate::error::Failure;
use crate::policy_edit::ReadOnly;
use crate::shell;
use crate::ui;

/// What was done about a purpose's file.
#[derive(Serialize)]
struct Written<'a> {
    purpose: &'a Purpose,
    file: String,
    changed: bool,
    /// The broker has loaded it. `false` where none runs: then it does at its next start.
    in_force: bool,
    warnings: Vec<String>,
}

impl Written<'_> {
    /// Says so. `done` is what was done to the file.
    fn report(&self, done: &str, json: bool) -> Result<(), Failure> {
        if json {
            ui::print_json(self)?;
        } else {
            let force = match self.in_force {
                true => "in force",
                false => "checked; no broker runs, so it is loaded at the next start",
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

/// What to do instead about a file that is not written here. `put` names the lines that go there.
fn by_hand(broker: &Broker, file: &Path, why: &io::Error, put: &str, command: &str) -> Failure {
    let config = shell::quoted(&broker.places.config.to_string_lossy());
    let shown = file.display();
    let instead = if ReadOnly::is_cause_of(why) {
        let file = shell::quoted(&file.to_string_lossy());
        format!(", or run `chmod u+w {file}`, then this again")
    } else if why.raw_os_error().is_some() && why.kind() == ErrorKind::PermissionDenied {
        format!(", or run `sudo tokenctl --config {config} policy {command}`")
    } else {
        // As root it would be no other.
        String::new()
    };
    Failure::Waiting(format!(
        "{shown} is not written here: {why}; put {put} there and run `tokenctl policy reload`{instead}"
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

#[cfg(test)]
mod tests {
    use broker_protocol::paths::Paths;
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn root_is_offered_only_where_it_may_what_this_account_may_not() {
        let places = Paths::below(Path::new("/h"));
        let broker = Broker { places };
        let of = |why: io::Error| {
            let file = Path::new("/h/a b.toml");
            by_hand(
                &broker,
                file,
                &why,
                "the lines above",
                "allow site --user a",
            )
            .to_string()
        };
        let (denied, fixed) = (of(Errno::EACCES.into()), of(Errno::EROFS.into()));
        let sudo = "or run `sudo tokenctl --config /h/tokend.toml policy allow site --user a`";
        assert!(denied.ends_with(sudo), "{denied}");
        assert!(fixed.ends_with("run `tokenctl policy reload`"), "{fixed}");
        let read_only = of(io::Error::new(ErrorKind::PermissionDenied, ReadOnly));
        let remedy = "or run `chmod u+w '/h/a b.toml'`, then this again";
        assert!(read_only.ends_with(remedy), "{read_only}");
        let list = io::Error::new(ErrorKind::PermissionDenied, "the file has an access list");
        assert!(!of(list).contains("sudo"));
    }
}
