//! Completion scripts and manual pages, made from the command line's own definition.

use std::io::{self, Write as _};
use std::path::Path;

use broker_protocol::whole_file::WholeFile;
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

/// Writes one page for each command, over those of an earlier run.
pub(crate) fn manual(dir: &Path) -> Result<(), Failure> {
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    pages(command, dir).map_err(Failure::file("write manual pages to", dir))
}

fn pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        pages(below.clone(), dir)?;
    }
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    let name = page.get_filename();
    let mut file = WholeFile::beside(&dir.join(&name), 0o644)?;
    file.write_all(&text)?;
    file.put()
        .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
}
