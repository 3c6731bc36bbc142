//! `exec`: runs a command with a token in its environment; the lease ends with the command.
//!
//! tokenctl does not start the command, it *becomes* it. The process that asked the broker and the
//! command are one process, so pid, terminal, job control, signals and exit code are the command's
//! own, with nothing in between to pass them on or get them wrong. And nothing of ours need stay
//! alive to end the lease: it is asked for with `until: caller_exit`, so the broker watches this
//! very process and ends the lease when it goes, by whatever means.
//!
//! The price: `exec` cannot renew the lease meanwhile. Request a ttl as long as the command needs. Only a lease
//! on a proxy token is renewed, by the broker and while it is used.
//!
//! The token is put into the environment of the command only, which every process of the same
//! account can read. The socket is closed before, and close-on-exec besides.
//!
//! Where a purpose delivers `proxy`, the command's HTTPS to GitHub's hosts has to go to the broker. So one
//! thing is left beside the command after all: a relay (`tunnel`, `crate::relay`), which ends with it.
//!
//! The command may dump core as if it had been run without tokenctl, which for itself forbids that.
//!
//! Two things differ from a shell that runs the command itself: a signal mask that was inherited is
//! emptied, and SIGPIPE is put back to its default even if it was ignored before.

mod bundle;
mod certificates;
mod environment;
mod git_config;
mod leases;
mod own_account;
mod private_dir;
mod tunnel;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use broker_protocol::names::Purpose;

use self::environment::{Before, Variable};
use self::leases::{HonouredBy, LeaseRequests, Leases};
use self::tunnel::Tunnel;
use crate::args::{Exec, NamedToken};
use crate::broker::Broker;
use crate::core_dump;
use crate::error::Failure;

/// Becomes the command; returns only if that fails.
pub(crate) fn run(
    broker: impl FnOnce() -> Result<Broker, Failure>,
    exec: Exec,
    dumps: &core_dump::Before,
) -> Result<(), Failure> {
    let Exec {
        purpose,
        env,
        ask,
        command,
    } = exec;
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::Usage("no command given".to_owned()));
    };
    let (env, with) = by_purpose(env, purpose.as_ref())?;
    environment::refuse_one_name_for_two_tokens(purpose.as_ref(), &env, &with)?;
    let requests = LeaseRequests::of(purpose, ask, with)?;
    let prepared = broker().and_then(|broker| prepare(&broker, requests, &env));
    let variables = prepared.map_err(|failure| failure.exiting_with(125))?;

    let mut command = Command::new(program);
    command.args(args);
    for variable in &variables {
        // Into the environment of the command, as `exec` promises.
        command.env(&*variable.name, OsStr::from_bytes(&variable.value));
    }
    dumps.give_back();
    let error = command.exec();
    // Still tokenctl, and the tokens are still here. The leases end with this process, and so does the relay.
    core_dump::forbid();
    let program = program.display();
    Err(match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(format!("no command `{program}`")).exiting_with(127)
        }
        _ => Failure::new(format!("cannot run `{program}`: {error}")).exiting_with(126),
    })
}

/// A purpose, and the variable for its token.
type PurposeVariable = (Purpose, String);

/// The variables for the command's purpose, and those that have one of their own.
fn by_purpose(
    env: Vec<NamedToken>,
    purpose: Option<&Purpose>,
) -> Result<(Vec<String>, Vec<PurposeVariable>), Failure> {
    let (mut names, mut with) = (Vec::new(), Vec::new());
    for NamedToken {
        variable,
        purpose: own,
    } in env
    {
        match own {
            Some(own) => with.push((own, variable)),
            None if purpose.is_some() => names.push(variable),
            None => {
                return Err(Failure::Usage(format!(
                    "--env {variable}: of which purpose? `exec PURPOSE --env {variable}`, or `--env {variable}=PURPOSE`"
                )));
            }
        }
    }
    Ok((names, with))
}

/// Takes the leases, and prepares what the command needs to use their tokens.
fn prepare(
    broker: &Broker,
    requests: LeaseRequests,
    names: &[String],
) -> Result<Vec<Variable>, Failure> {
    let env = |name: &str| std::env::var_os(name);
    // What is wrong with the environment is said before there is a lease.
    let mut before = None;
    match requests.ask_who_honours(broker)? {
        Some(HonouredBy::Broker) => before = Some(ready_for_tunnel(&env)?),
        Some(HonouredBy::GitHub) => environment::refuse_inside_tunnel(&env)?,
        None => {}
    }
    let leases = Leases::take(broker, requests)?;
    let prepared = leases.honoured_by().and_then(|by| match by {
        HonouredBy::Broker => {
            let before = before.map_or_else(|| ready_for_tunnel(&env), Ok)?;
            let tunnel = Tunnel::start(broker, &leases, &before.certificates)?;
            Ok(environment::with_tunnel(&leases, names, &before, &tunnel))
        }
        HonouredBy::GitHub => {
            environment::refuse_inside_tunnel(&env)?;
            Ok(environment::with_tokens(&leases, names))
        }
    });
    if prepared.is_ok() {
        leases.tell_the_ends();
    } else {
        leases.give_back(broker);
    }
    prepared
}

/// Reads what the environment said before, and refuses what a tunnel cannot be used with.
fn ready_for_tunnel(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Before, Failure> {
    own_account::refuse_ambiguous()?;
    Before::read(env)
}
