//! Completion scripts and manual pages, made from the command line's own definition.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell as Target;

use crate::args::{CommandLine, Shell};
use crate::error::Failure;
use crate::ui;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let target = match shell {
        Shell::Bash => Target::Bash,
        Shell::Zsh => Target::Zsh,
        Shell::Fish => Target::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(target, &mut CommandLine::command(), "tokenctl", &mut script);
    ui::bytes(&script)
}

/// Writes one page for each command.
pub(crate) fn manual(dir: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(CommandLine::command(), dir)
        .map_err(Failure::file("write manual pages to", dir))
}
