//! One file for each command. This one only finds the broker's places and picks the command.

mod audit;
mod backup;
mod check;
mod daemon;
mod doctor;
mod exec;
mod generate;
mod get;
mod git_credential;
mod import;
mod lease;
mod lock;
mod moving;
mod proxy;
mod purpose;
mod records;
mod registry;
mod rekey;
mod repository;
mod rotate;
mod secret;
mod sinks;
mod status;

use broker_protocol::paths::{Overrides, Paths};

use crate::args::{Command, CommandLine, Global, PolicyCommand};
use crate::broker::Broker;
use crate::core_dump;
use crate::error::Failure;
use crate::relay;

/// Does what the command line says. `dumps` is how this process was allowed to dump core.
pub(crate) fn run(line: CommandLine, dumps: &core_dump::Before) -> Result<(), Failure> {
    let CommandLine { global, command } = line;
    let json = global.json;
    if holds_secrets_and_takes_no_lease(&command) {
        core_dump::forbid_traces();
    }
    match command {
        Command::Init(passed) => daemon::run(&["init"], &passed, &global),
        Command::Policy(PolicyCommand::Check(passed)) => {
            daemon::run(&["policy", "check"], &passed, &global)
        }
        Command::Policy(PolicyCommand::Test(passed)) => {
            daemon::run(&["policy", "test"], &passed, &global)
        }
        Command::Policy(PolicyCommand::Explain(passed)) => {
            daemon::run(&["policy", "explain"], &passed, &global)
        }
        Command::Policy(PolicyCommand::Reload) => daemon::reload(&find(global)?, json),
        Command::Get(ask) => get::run(&find(global)?, ask, json),
        Command::Exec(exec) => exec::run(|| find(global), exec, dumps),
        Command::Relay(asked) => relay::run(asked),
        Command::GitCredential(asked) => git_credential::run(|| find(global), asked),
        Command::Status => status::run(&find(global)?, json),
        Command::Doctor => doctor::run(&find(global)?, json),
        Command::Purpose(command) => purpose::run(&find(global)?, command, json),
        Command::Lease(command) => lease::run(&find(global)?, command, json),
        Command::Secret(command) => secret::run(&find(global)?, command, json),
        Command::Repository(command) => repository::run(&find(global)?, command, json),
        Command::Rotate(asked) => rotate::run(&find(global)?, &asked, json),
        Command::Import(import) => import::run(&find(global)?, &import),
        Command::Audit(command) => audit::run(&find(global)?, command, json),
        Command::Lock { revoke: false } => lock::lock(&find(global)?),
        Command::Lock { revoke: true } => lock::lock_and_revoke(&find(global)?, json),
        Command::Backup(asked) if asked.verify => backup::verify(&asked, &global),
        Command::Backup(asked) => backup::make(&find(global)?, &asked, json),
        Command::Restore(passed) => daemon::run_either_way(&["restore"], &passed.args, &global),
        Command::Unlock(how) => lock::unlock(&find(global)?, &how),
        Command::Rekey(asked) => rekey::run(&find(global)?, &asked, json),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::manual(&dir),
    }
}

/// Whether values or passphrases go through this process, and no rule asks which program it is.
fn holds_secrets_and_takes_no_lease(command: &Command) -> bool {
    matches!(
        command,
        Command::Secret(_)
            | Command::Rotate(_)
            | Command::Import(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Unlock(_)
            | Command::Rekey(_)
    )
}

fn find(global: Global) -> Result<Broker, Failure> {
    let overrides = Overrides {
        config: global.config,
        socket: global.socket,
    };
    let places = Paths::find(&overrides, |name| std::env::var_os(name))
        .map_err(|no_home| Failure::new(no_home.to_string()))?;
    Ok(Broker { places })
}
