//! What both programs make of their command line's own definition: manual pages, which `tokend` and `tokenctl` each
//! write, and in [`usage`] what is wrong with a command line.

use std::io::{self, Write as _};
use std::path::Path;

use broker_protocol::whole_file::WholeFile;
use clap::Command;

pub mod usage;

/// Writes one page for each command, for everyone to read, over those of an earlier run.
///
/// # Errors
///
/// What the system says, with the name of the page; what is not a file stays.
pub fn write(command: Command, dir: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(command, dir)
}

fn pages(command: Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        pages(below.clone(), dir)?;
    }
    let page = clap_mangen::Man::new(command);
    let name = page.get_filename();
    let mut text = Vec::new();
    page.render(&mut text)?;
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
        let program = Command::new("program")
            .subcommand(Command::new("get"))
            .subcommand(Command::new("relay").hide(true));
        write(program.clone(), dir.path()).unwrap();
        write(program.clone(), dir.path()).unwrap();
        let page = dir.path().join("program-get.1");
        assert!(fs::read_to_string(&page).unwrap().contains(".TH"));
        assert!(!dir.path().join("program-relay.1").exists());
        fs::remove_file(&page).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &page).unwrap();
        let error = write(program, dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("program-get.1: it is a symbolic link"),
            "{error}"
        );
        assert!(!elsewhere.exists());
    }
}
