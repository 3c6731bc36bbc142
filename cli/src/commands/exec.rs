//! `exec`: runs a command with a token in its environment; the lease ends with the command.
//!
//! tokenctl does not start the command, it *becomes* it. The process that asked the broker and the
//! command are one process, so pid, terminal, job control, signals and exit code are the command's
//! own, with nothing in between to pass them on or get them wrong. And nothing of ours need stay
//! alive to end the lease: it is asked for with `until: caller_exit`, so the broker watches this
//! very process and ends the lease when it goes, by whatever means.
//!
//! The price: the lease cannot be renewed meanwhile. Request a ttl as long as the command needs.
//!
//! The token is put into the environment of the command only, which every process of the same
//! account can read. The socket is closed before, and close-on-exec besides.
//!
//! The command may dump core as if it had been run without tokenctl, which for itself forbids that.
//!
//! Two things differ from a shell that runs the command itself: a signal mask that was inherited is
//! emptied, and SIGPIPE is put back to its default even if it was ignored before.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use broker_protocol::api::Until;
use broker_protocol::names::EnforcedBy;

use crate::args::Exec;
use crate::broker::Broker;
use crate::clock;
use crate::commands::get::{self, TakenLease};
use crate::core_dump;
use crate::error::Failure;
use crate::ui;

/// Becomes the command; returns only if that fails.
pub(crate) fn run(
    broker: impl FnOnce() -> Result<Broker, Failure>,
    exec: Exec,
    dumps: &core_dump::Before,
) -> Result<(), Failure> {
    let Exec { ask, env, command } = exec;
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::Usage("no command given".to_owned()));
    };
    let taken = broker()
        .and_then(|broker| {
            let request = get::request(ask, Some(Until::CallerExit))?;
            TakenLease::from(get::ask_for(&broker, &request)?)
        })
        .map_err(|failure| wrap(125, &failure))?;
    tell_the_end(&taken);

    let mut command = Command::new(program);
    command.args(args);
    for name in ["GH_TOKEN", "GITHUB_TOKEN"]
        .into_iter()
        .chain(env.iter().map(String::as_str))
    {
        // Into the environment of the command, as `exec` promises.
        command.env(name, &*taken.token);
    }
    dumps.give_back();
    let error = command.exec();
    // Still tokenctl, and the token is still here.
    core_dump::forbid();
    let program = program.display();
    Err(match error.kind() {
        io::ErrorKind::NotFound => wrap(127, &Failure::new(format!("no command `{program}`"))),
        _ => wrap(
            126,
            &Failure::new(format!("cannot run `{program}`: {error}")),
        ),
    })
}

/// Prints when the token expires, if stderr is a terminal. A script's stderr stays the command's own.
fn tell_the_end(taken: &TakenLease) {
    if taken.lease.enforced_by != EnforcedBy::NoOne && ui::stderr_is_terminal() {
        let end = clock::moment(taken.lease.expires_at);
        ui::note(format_args!("the token works until {end}"));
    }
}

/// The same with 125, 126 or 127, as `env` has them.
fn wrap(code: u8, failure: &Failure) -> Failure {
    Failure::Failed {
        code,
        what: failure.to_string(),
        hint: failure.hint(),
    }
}
