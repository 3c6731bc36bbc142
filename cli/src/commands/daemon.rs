//! What the daemon does without a running broker: `init`, `policy check|test`, `policy explain` of files, `backup
//! --verify`, `restore`.
//!
//! They need vault and policy, which this program does not link. So it makes way for the `tokend`
//! in its own directory: never one from `PATH`, which the caller may have chosen.
//!
//! Also here, because it belongs to `policy`: `reload`, which is for the running broker.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process;

use broker_protocol::api::Reloaded;
use broker_protocol::counted::counted;
use broker_protocol::paths::Paths;

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
    let tokend = program()?;
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
    Err(not_run(&tokend)(daemon.exec()))
}

/// The `tokend` beside this program.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find the path of tokenctl: {error}")))?;
    Ok(own.with_file_name("tokend"))
}

/// Why that one did not run.
pub(crate) fn not_run(tokend: &Path) -> impl FnOnce(io::Error) -> Failure {
    let tokend = tokend.display().to_string();
    move |error| {
        Failure::with_hint(
            format!("cannot run {tokend}: {error}"),
            "install `tokend` in the same directory as `tokenctl`",
        )
    }
}

/// Whether a broker with these places would load the policies at its next start: the warnings for their
/// author, or why not.
pub(crate) fn check_policies(places: &Paths) -> Result<Vec<String>, Failure> {
    let tokend = program()?;
    let mut check = process::Command::new(&tokend);
    check.args(["policy", "check"]);
    check.env("TOKEND_CONFIG", &places.config);
    let checked = check.output().map_err(not_run(&tokend))?;
    let said = String::from_utf8(checked.stdout).unwrap_or_default();
    let all = |kind: &str| {
        let lines = said.lines().filter_map(|line| line.strip_prefix(kind));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    if checked.status.success() {
        return Ok(all("warning: "));
    }
    let why = match &*all("error: ") {
        [] => String::from_utf8(checked.stderr).unwrap_or_default(),
        errors => errors.join("\n"),
    };
    Err(Failure::new(format!(
        "policies not loaded: {}",
        why.trim_end()
    )))
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
