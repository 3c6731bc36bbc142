//! `tokend`: runs the broker, and the commands that need no running one.

use std::alloc::System;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use broker::commands::backup::BackupArguments;
use broker::commands::init::command::InitArguments;
use broker::commands::policy::PolicyCommand;
use broker::commands::restore::command::RestoreArguments;
use broker::harden::Hardened;
use broker::{commands, dev, give_back, harden, startup};
use broker_clock::{Clock, SystemClock};
use broker_protocol::paths::{Overrides, Paths};
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_secret_memory::redact;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use zeroizing_alloc::ZeroAlloc;

/// All memory is wiped when it is freed: buffers of libraries too, and secrets in unexpected places that no
/// type of ours covers.
#[global_allocator]
static WIPED_WHEN_FREED: ZeroAlloc<System> = ZeroAlloc(System);

/// A local broker for GitHub tokens. Without a command it runs the broker in the foreground.
#[derive(Parser)]
#[command(name = "tokend", version, max_term_width = 80)]
struct Arguments {
    /// The configuration; policies and key file are beside it. /etc/tokend/tokend.toml selects the
    /// paths of the system service [env: TOKEND_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket [env: TOKEND_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Run a broker to try: made-up tokens, no GitHub, in a scratch place that is gone afterwards
    #[arg(long, conflicts_with_all = ["config", "socket"])]
    dev: bool,
    /// Format of traces on standard error
    #[arg(long, global = true, value_enum, default_value_t = TraceFormat::Text)]
    trace_format: TraceFormat,
    /// What to trace: error, warn, info, debug, trace, or a filter such as `broker=debug`
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    trace: String,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TraceFormat {
    /// Lines of text
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Create configuration, keys and an empty vault; report what exists already
    Init(InitArguments),
    /// Check, test or explain policies; no broker is needed
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify that a backup is complete
    Backup(BackupArguments),
    /// Restore a backup on a machine without a vault
    Restore(RestoreArguments),
    /// Write the manual pages of tokend into a directory; `tokenctl man` writes those of both programs
    #[command(hide = true)]
    Man {
        /// The directory, which must exist
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    redact::install_panic_hook(io::stderr);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return commands::usage(&error),
    };
    if arguments.dev && arguments.command.is_some() {
        let why = "the argument '--dev' cannot be used with a command\n";
        let kind = ErrorKind::ArgumentConflict;
        return commands::usage(&Arguments::command().error(kind, why));
    }
    run(arguments).unwrap_or_else(|error| commands::fail(error.as_ref(), 1))
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    // First, and while there is one thread.
    let hardened = harden::before_any_secret()?;
    give_back::from_now_on();
    let format = match arguments.trace_format {
        TraceFormat::Text => redact::Format::Text,
        TraceFormat::Json => redact::Format::Json,
    };
    let filter = &arguments.trace;
    let overrides = Overrides {
        config: arguments.config,
        socket: arguments.socket,
    };
    let places = || Paths::find(&overrides, |name| std::env::var_os(name));
    let clock = Arc::new(SystemClock::new()?);
    let Some(command) = arguments.command else {
        let what = match arguments.dev {
            true => Serve::Dev,
            false => Serve::Store(places()?),
        };
        // Nothing that serves may wait for the reader of standard error, a panic included.
        let stderr = NonblockingStderr::to_standard_error()?;
        redact::install_panic_hook(stderr.clone());
        redact::init_tracing(format, filter, stderr.clone())?;
        let served = serve(what, clock, stderr.clone(), &hardened);
        if let Err(error) = &served {
            commands::say_why(error.as_ref(), &mut stderr.clone());
        }
        stderr.flush_last();
        return Ok(served.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
    };
    let places = places()?;
    redact::init_tracing(format, filter, io::stderr)?;
    let out = &mut commands::masked(io::stdout().lock());
    match command {
        Command::Init(options) => {
            commands::init::command::run(options, &places, clock.now().wall, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Policy(command) => {
            let fail = fail_as(command.json());
            Ok(
                match commands::policy::command::run(command, &places, out) {
                    Ok(code) => code.into(),
                    Err(error) => fail(&error, error.exit_code()),
                },
            )
        }
        Command::Man { dir } => {
            broker_manual::write(Arguments::command(), &dir).map_err(|error| {
                format!("cannot write manual pages to {}: {error}", dir.display())
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup(options) => Ok(match commands::backup::run(&options, out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail_as(options.json)(&error, error.exit_code()),
        }),
        Command::Restore(options) => {
            let fail = fail_as(options.json);
            let restored = commands::restore::command::run(options, &places, clock, out);
            Ok(match restored {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, error.exit_code()),
            })
        }
    }
}

/// How a command says why it failed: as it prints its result.
fn fail_as(json: bool) -> fn(&dyn Error, u8) -> ExitCode {
    if json {
        commands::fail_in_json
    } else {
        commands::fail
    }
}

/// On what a broker is run.
enum Serve {
    /// The store at these places.
    Store(Paths),
    /// A scratch place.
    Dev,
}

fn serve(
    what: Serve,
    clock: Arc<SystemClock>,
    stderr: NonblockingStderr,
    hardened: &Hardened,
) -> Result<(), Box<dyn Error>> {
    // One thread serves tens of thousands of requests a second; a second would be woken for each of
    // them, only to find nothing to do. So nothing that blocks may run on it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ran: Result<(), Box<dyn Error>> = match what {
        Serve::Store(places) => runtime
            .block_on(startup::run(places, clock, stderr, hardened))
            .map_err(Into::into),
        Serve::Dev => {
            let env = |name: &str| std::env::var_os(name);
            runtime
                .block_on(dev::run(env, clock, stderr, hardened))
                .map_err(Into::into)
        }
    };
    // Whatever still blocks in a thread of its own, such as on a disk that hangs, is left there.
    runtime.shutdown_background();
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_help_fits_into_80_columns() {
        fn walk(command: &mut clap::Command, seen: &mut usize) {
            *seen += 1;
            let name = command.get_name().to_owned();
            let helps = [command.render_help(), command.render_long_help()];
            for line in helps
                .map(|help| help.to_string())
                .iter()
                .flat_map(|help| help.lines())
            {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            command
                .get_subcommands_mut()
                .for_each(|below| walk(below, seen));
        }
        let mut command = Arguments::command().term_width(80);
        command.build();
        let mut seen = 0;
        walk(&mut command, &mut seen);
        assert!(seen > 7, "only {seen} commands");
    }
}
