//! `tokend policy` on the command line.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use broker_policy::Caller;
use broker_protocol::paths::Paths;

use super::{Form, NotExplained, PolicyCommand, Where, check, explain, question, test};
use crate::caller::{self, ProcEnv};
use crate::config::{Config, ConfigError};
use crate::policy_files::Owners;

/// Why the command could not do its work; what is wrong with policies is its exit code.
#[derive(Debug, thiserror::Error)]
pub enum PolicyCommandError {
    /// The broker's configuration says how policies are evaluated, and is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `/proc` does not show it.
    #[error("this process cannot be read")]
    Itself(#[source] io::Error),
    /// What is asked, or the policies, are refused.
    #[error(transparent)]
    NotExplained(#[from] NotExplained),
    /// Standard output takes no more.
    #[error("the answer could not be written")]
    Output(#[from] io::Error),
}

impl PolicyCommandError {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotExplained(error) => error.exit_code,
            Self::Config(_) | Self::Itself(_) | Self::Output(_) => 1,
        }
    }
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
        PolicyCommand::Explain { asked, dir, json } => {
            let form = if json { Form::Json } else { Form::Text };
            let at = Where::new(dir.as_deref(), live);
            explain(at, question(&asked)?, &this_caller()?, form, out)?
        }
    })
}

/// This process, which was `tokenctl` a moment ago: what it runs now says nothing of who asks.
fn this_caller() -> Result<Caller, PolicyCommandError> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let caller = ProcEnv::read().and_then(|proc_env| caller::of_running(own, &proc_env));
    let caller = caller.map_err(PolicyCommandError::Itself)?;
    Ok(Caller {
        exe: None,
        sha256: None,
        ..caller
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
