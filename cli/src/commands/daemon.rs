//! What the daemon does without a running broker: `init`, `policy check|test`, `policy explain` of files, `backup
//! --verify`, `restore`.
//!
//! They need vault and policy, which this program does not link. So it makes way for the `tokend`
//! in its own directory: never one from `PATH`, which the caller may have chosen.
//!
//! Also here, because it belongs to `policy`: `reload`, which is for the running broker.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process;

use broker_protocol::api::Reloaded;
use broker_protocol::counted::counted;

use crate::args::{Global, Passed};
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui;

/// Becomes `tokend COMMAND ARGS…` where that prints text: `--json` is rejected here, where the reason can
/// be given.
pub(crate) fn run(command: &[&str], passed: &Passed, global: &Global) -> Result<(), Failure> {
    if global.json || passed.args.iter().any(|argument| argument == "--json") {
        let command = command.join(" ");
        return Err(Failure::Usage(format!(
            "`{command}` has no --json; its exit code says how it went"
        )));
    }
    run_either_way(command, &passed.args, global)
}

/// Becomes `tokend COMMAND ARGS…`, which prints JSON where it is asked to; returns only if that fails.
pub(crate) fn run_either_way(
    command: &[&str],
    args: &[OsString],
    global: &Global,
) -> Result<(), Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find the path of tokenctl: {error}")))?;
    let tokend = own.with_file_name("tokend");
    let mut daemon = process::Command::new(&tokend);
    daemon.args(command);
    daemon.args(global.json.then_some("--json")).args(args);
    // The variables mean the same as the options, wherever the daemon takes those.
    if let Some(config) = &global.config {
        daemon.env("TOKEND_CONFIG", config);
    }
    if let Some(socket) = &global.socket {
        daemon.env("TOKEND_SOCKET", socket);
    }
    let error = daemon.exec();
    Err(Failure::with_hint(
        format!("cannot run {}: {error}", tokend.display()),
        "install `tokend` in the same directory as `tokenctl`",
    ))
}

/// `policy reload`
pub(crate) fn reload(broker: &Broker, json: bool) -> Result<(), Failure> {
    ui::answer(&broker.reload()?, json, |loaded: Reloaded| {
        ui::line(format_args!(
            "in force: {} in {}",
            counted(loaded.purposes, "purpose"),
            counted(loaded.files.len() as u64, "file")
        ))?;
        for lease in &loaded.revoked {
            ui::line(format_args!(
                "lease {lease} is no longer allowed and was revoked"
            ))?;
        }
        loaded.warnings.iter().for_each(ui::warning);
        Ok(())
    })
}
