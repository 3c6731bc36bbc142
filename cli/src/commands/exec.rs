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
//! A proxy token is of no use to the command, which would send it to GitHub: such a purpose is refused before
//! a lease is taken.
//!
//! The command may dump core as if it had been run without tokenctl, which for itself forbids that.
//!
//! Two things differ from a shell that runs the command itself: a signal mask that was inherited is
//! emptied, and SIGPIPE is put back to its default even if it was ignored before.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use broker_protocol::api::{PurposeView, Until};
use broker_protocol::client::ClientError;
use broker_protocol::names::{Delivery, EnforcedBy, Purpose};

use crate::args::{Ask, Exec};
use crate::broker::Broker;
use crate::clock;
use crate::commands::get::{self, TakenLease};
use crate::commands::proxy;
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
        .and_then(|broker| take(&broker, ask))
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

/// Takes the lease, if the command can use its token.
fn take(broker: &Broker, ask: Ask) -> Result<TakenLease, Failure> {
    let request = get::request(ask, Some(Until::CallerExit))?;
    let purpose = &request.purpose;
    match broker.read::<PurposeView>(&format!("/v1/purposes/{purpose}")) {
        Ok(view) if proxy::is_delivered(&view) => return Err(refused(broker, purpose)),
        // What is denied is denied below, where that goes on record.
        Ok(_) | Err(Failure::Broker(ClientError::Problem { .. })) => {}
        Err(failure) => return Err(failure),
    }
    let taken = TakenLease::from(get::ask_for(broker, &request)?)?;
    if taken.lease.deliver == Delivery::Proxy {
        proxy::give_back(broker, &taken.lease)?;
        return Err(refused(broker, purpose));
    }
    Ok(taken)
}

fn refused(broker: &Broker, purpose: &Purpose) -> Failure {
    let socket = broker.places.proxy_socket.display();
    Failure::with_hint(
        format!(
            "`exec` cannot run a command with a proxy token, which `{purpose}` delivers: it works only over {socket}"
        ),
        format!(
            "TOKEN=$(tokenctl get {purpose}) gets one; `curl --unix-socket` asks over that socket, and so does `gh` \
             with `http_unix_socket` in its config.yml"
        ),
    )
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
