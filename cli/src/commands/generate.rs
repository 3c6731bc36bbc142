//! Completion of what is typed in a shell, and manual pages, made from the command line's own definition.
//!
//! A completion script asks this program at each key: `TOKEND_COMPLETE` has the shell's name then. So names of
//! purposes and secrets are proposed too (`candidates`).

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::{Bash, EnvCompleter, Fish, Shells, Zsh};

use super::daemon;
use crate::args::{CommandLine, Global, Shell};
use crate::error::Failure;
use crate::ui;

/// Prints what a shell asks for to complete a line, if that is why this program was started.
pub(crate) fn complete(arguments: impl Iterator<Item = OsString>) -> Result<bool, clap::Error> {
    CompleteEnv::with_factory(CommandLine::command)
        .var(ASKED)
        .shells(Shells(&[&Bash, &Fish, &Zsh]))
        .try_complete(arguments, None)
}

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell
        .write_registration(ASKED, NAME, NAME, NAME, &mut script)
        .map_err(Failure::Output)?;
    ui::bytes(&script)
}

/// Writes one page for each command, over those of an earlier run, and has `tokend` write its own.
pub(crate) fn manual(dir: &Path, global: &Global) -> Result<(), Failure> {
    broker_manual::write(CommandLine::command(), dir)
        .map_err(Failure::file("write manual pages to", dir))?;
    daemon::run_either_way(&["man"], &[dir.as_os_str().to_owned()], global)
}

const NAME: &str = "tokenctl";

/// Set by the completion script.
const ASKED: &str = "TOKEND_COMPLETE";
