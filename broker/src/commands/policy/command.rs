//! `tokend policy` on the command line.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use broker_policy::Caller;
use broker_protocol::paths::Paths;

use super::explain::ExplainAccounts;
use super::{PolicyCommand, Where, WhoArgs, check, explain, test};
use crate::caller::{self, ProcEnv};
use crate::config::{Config, ConfigError};
use crate::policy_files::Owners;

/// Why the command could not do its work; what is wrong with policies is its exit code.
#[derive(Debug, thiserror::Error)]
pub enum PolicyCommandError {
    /// The broker's configuration says how policies are evaluated, and is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The process of `--pid` cannot be read.
    #[error("process {pid} cannot be read; is it still running?")]
    Process {
        /// Its number.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// Standard output takes no more.
    #[error("the answer could not be written")]
    Output(#[from] io::Error),
}

/// Runs the command and returns its exit code.
///
/// # Errors
///
/// [`PolicyCommandError`].
pub fn run(
    command: PolicyCommand,
    places: &Paths,
    out: &mut dyn Write,
) -> Result<u8, PolicyCommandError> {
    let host = Config::read(&places.config, nix::unistd::geteuid().as_raw())?.host(places);
    let owners = owners(places);
    let live = Where::Live(&places.policies, &host, &owners);
    Ok(match command {
        PolicyCommand::Check { dir } => check(Where::new(dir.as_deref(), live), out)?,
        PolicyCommand::Test { dir } => test(Where::new(dir.as_deref(), live), out)?,
        PolicyCommand::Explain {
            purpose,
            who,
            request,
            dir,
        } => {
            let accounts = ExplainAccounts::default();
            let caller = who_asks(&who, &accounts)?;
            let at = Where::new(dir.as_deref(), live);
            let asked = (&purpose, request.as_ref());
            explain(at, asked, &caller, &accounts, out)?
        }
    })
}

/// Who may own live policies. The command may be run as root for a broker of another account, to which
/// its store belongs.
fn owners(places: &Paths) -> Owners {
    let own = Owners::of_this_process();
    match std::fs::metadata(&places.data) {
        Ok(store) => own.and(store.uid()),
        Err(_) => own,
    }
}

fn who_asks(who: &WhoArgs, accounts: &ExplainAccounts) -> Result<Caller, PolicyCommandError> {
    let Some(pid) = who.pid else {
        return Ok(who.caller(accounts));
    };
    ProcEnv::read()
        .and_then(|proc_env| caller::of_running(pid, &proc_env))
        .map_err(|source| PolicyCommandError::Process { pid, source })
}
