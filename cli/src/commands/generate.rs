//! Completion of what is typed in a shell, and manual pages, made from the command line's own definition.
//!
//! A completion script asks this program at each key: `TOKEND_COMPLETE` has the shell's name then. So names of
//! purposes and secrets are proposed too (`candidates`).

use std::ffi::OsString;
use std::io;
use std::path::Path;

use broker_protocol::whole_file;
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
    own_pages(dir).map_err(Failure::file("write manual pages to", dir))?;
    daemon::run_either_way(&["man"], &[dir.as_os_str().to_owned()], global)
}

fn own_pages(dir: &Path) -> io::Result<()> {
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    pages(command, dir)
}

fn pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        pages(below.clone(), dir)?;
    }
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    whole_file::put_page(dir, &page.get_filename(), &text)
}

const NAME: &str = "tokenctl";

/// Set by the completion script.
const ASKED: &str = "TOKEND_COMPLETE";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn pages_replace_older_pages_and_follow_no_link() {
        let dir = tempfile::tempdir().unwrap();
        own_pages(dir.path()).unwrap();
        own_pages(dir.path()).unwrap();
        let page = dir.path().join("tokenctl-get.1");
        assert!(fs::read_to_string(&page).unwrap().contains(".TH"));
        fs::remove_file(&page).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &page).unwrap();
        let error = own_pages(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("tokenctl-get.1: it is a symbolic link"),
            "{error}"
        );
        assert!(!elsewhere.exists());
    }
}
