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
mod socket_access;
mod starting;
mod table;
mod ui;

use std::process::ExitCode;

use broker_manual::usage;
use clap::Parser as _;

use crate::args::CommandLine;

fn main() -> ExitCode {
    let dumps = core_dump::forbid();
    match commands::generate::complete(std::env::args_os()) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return ui::usage(&error),
    }
    if usage::wants_json(std::env::args_os()) {
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
