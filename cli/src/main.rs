//! `tokenctl`, the command line of the broker `tokend`.
//!
//! It parses, asks over the socket (`broker`), and prints (`ui`); one file in `commands` for
//! each command. It links neither vault nor policy: what needs them and no running broker is the
//! daemon's own work, and `commands::daemon` runs the daemon for it.

mod account;
mod args;
mod broker;
mod candidates;
mod clock;
mod commands;
mod core_dump;
mod env_file;
mod error;
mod git_host;
mod host_port;
mod learnt;
mod no_proxy;
mod pages;
mod passphrase;
mod policy_dir;
mod policy_edit;
mod policy_file;
mod purpose_file;
mod relay;
mod rule_for;
mod secret_text;
mod shell;
mod starting;
mod table;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::CommandLine;

fn main() -> ExitCode {
    let dumps = core_dump::forbid();
    match commands::generate::complete(std::env::args_os()) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return ui::usage(&error),
    }
    if wants_json(std::env::args_os()) {
        ui::speak_json();
    }
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            commands::stop_git(std::env::args_os());
            return ui::usage(&error);
        }
    };
    match commands::run(line, &dumps) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            ui::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Whether `--json` is among the arguments, also of a command line that makes no sense. After `--` there is
/// another program's.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut own = arguments.take_while(|argument| argument != "--");
    own.any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_before_the_command_of_exec_and_not_in_it() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("tokenctl frobnicate --json"));
        assert!(!wants("tokenctl exec label-sync -- gh api --json"));
    }
}
