//! `tokend man`: the manual pages of the daemon, made from its command line's own definition. `tokenctl man` has it
//! write them beside its own.

use std::io;
use std::path::Path;

use broker_protocol::whole_file;

/// Writes one page for each command, over those of an earlier run.
///
/// # Errors
///
/// If a page cannot be written.
pub fn write(command: clap::Command, dir: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
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
