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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn pages_replace_older_pages_and_follow_no_link() {
        let dir = tempfile::tempdir().unwrap();
        manual(dir.path()).unwrap();
        manual(dir.path()).unwrap();
        let page = dir.path().join("tokenctl-get.1");
        assert!(fs::read_to_string(&page).unwrap().contains(".TH"));
        fs::remove_file(&page).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &page).unwrap();
        let error = manual(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("tokenctl-get.1: it is a symbolic link"),
            "{error}"
        );
        assert!(!elsewhere.exists());
    }
}
