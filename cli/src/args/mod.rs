//! The command line as types: what is parsed here needs no second look later.
//!
//! Help texts are written for someone who has not read the manual. A secret is never an argument.

mod audit;
mod examples;
mod exec;
mod explain;
mod git;
mod policy;
mod rotate;
mod secret;
mod setup;
mod values;
mod vault;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{LeaseId, Level, OrgName, PermissionName, Purpose, RepoPattern};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

pub(crate) use self::audit::{AuditCommand, AuditSource, Wanted};
use self::examples::{
    BACKUP_EXAMPLES, EXEC_EXAMPLES, EXIT_CODES, EXPLAIN_EXAMPLES, GET_EXAMPLES, GIT_EXAMPLES,
    IMPORT_EXAMPLES, LOCK_EXAMPLES, POLICY_ALLOW_EXAMPLES, POLICY_NEW_EXAMPLES, REKEY_EXAMPLES,
    ROTATE_EXAMPLES, SETUP_EXAMPLES, SETUP_GIT_EXAMPLES,
};
pub(crate) use self::exec::{Exec, Relay};
pub(crate) use self::explain::{Explain, Who};
pub(crate) use self::git::{GitCredential, SetupGit};
pub(crate) use self::policy::{PolicyAllow, PolicyNew};
pub(crate) use self::rotate::Rotate;
pub(crate) use self::secret::{
    Declaration, Import, RepositoryCommand, SecretAdd, SecretCommand, SecretMove,
};
pub(crate) use self::setup::Setup;
pub(crate) use self::values::{Format, Kind, NamedToken, permission, scope, word};
pub(crate) use self::vault::{Backup, Rekey, RootKey, Unlock};
use crate::candidates;

/// Get GitHub tokens from the local broker `tokend`, and operate it
#[derive(Parser)]
#[command(
    name = "tokenctl",
    version,
    color = ColorChoice::Never,
    max_term_width = 80,
    after_help = EXIT_CODES
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The broker's configuration file [env: TOKEND_CONFIG]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The broker's socket [env: TOKEND_SOCKET]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
}

impl Global {
    /// What another command of `tokenctl` or `tokend` needs to find the same broker.
    pub(crate) fn as_options(&self) -> Vec<OsString> {
        let places = [("--config", &self.config), ("--socket", &self.socket)];
        let given = places
            .into_iter()
            .filter_map(|(option, place)| Some([option.into(), place.clone()?.into_os_string()]));
        given.flatten().collect()
    }
}

/// The heading of options that every command takes, which are no part of what one command is about.
const EVERYWHERE: &str = "Options of every command";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set up a broker for your account, step by step, from nothing to a first token; run again to
    /// continue
    #[command(after_help = SETUP_EXAMPLES)]
    Setup(Setup),
    /// Create configuration, example policies, keys and an empty vault (options: `init --help`)
    #[command(disable_help_flag = true)]
    Init(Passed),
    /// Show broker status: secrets, leases, limits at GitHub, warnings
    Status,
    /// Find problems and show how to fix each; exit code 1 if there is one
    Doctor,
    /// Get a token for one purpose and print it, alone, on stdout
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
    /// Run a command with a token in GH_TOKEN and GITHUB_TOKEN; its lease is revoked when it ends
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(Exec),
    /// Lead a command's HTTPS to the broker; `exec` starts it
    #[command(hide = true)]
    Relay(Relay),
    /// Act as git's credential helper
    #[command(after_help = GIT_EXAMPLES)]
    GitCredential(GitCredential),
    /// Set up git: write the configuration with which it asks `git-credential`
    #[command(after_help = SETUP_GIT_EXAMPLES)]
    SetupGit(SetupGit),
    /// Show the purposes you may request tokens for
    #[command(subcommand)]
    Purpose(PurposeCommand),
    /// Show, renew and revoke leases
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Manage the secrets behind the tokens
    #[command(subcommand)]
    Secret(SecretCommand),
    /// List and unpin the GitHub ids that repository names are pinned to
    #[command(subcommand)]
    Repository(RepositoryCommand),
    /// Rotate a secret: replace its value everywhere, revoke the old one; run again to resume
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(Rotate),
    /// Import the tokens in a file of `export NAME="…"` lines into the vault
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Write, check, test, explain and load policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify and read the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Lock the store: no leases until `unlock`
    #[command(after_help = LOCK_EXAMPLES)]
    Lock {
        /// Also revoke every live lease, and every installation token at GitHub
        #[arg(long)]
        revoke: bool,
    },
    /// Unlock the store: load the root key again
    Unlock(Unlock),
    /// Replace the root key, which protects the data keys; leases stay valid
    #[command(after_help = REKEY_EXAMPLES)]
    Rekey(Rekey),
    /// Write everything the broker stores into one file, sealed with a passphrase
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(Backup),
    /// Restore a backup on a machine without a vault (options: `restore --help`)
    #[command(disable_help_flag = true)]
    Restore(Passed),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages of tokenctl and tokend into a directory
    Man {
        /// The directory, which must exist
        dir: PathBuf,
    },
}

/// Arguments that are passed to `tokend` unchanged.
#[derive(Args)]
pub(crate) struct Passed {
    /// Passed to `tokend`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARG"
    )]
    pub(crate) args: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Get {
    /// The purpose, one of `tokenctl purpose list`
    #[arg(add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Purpose,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// What a lease is asked for. The rule fills in what is left out.
#[derive(Args)]
pub(crate) struct Access {
    /// Only for this repository; may be repeated
    #[arg(long = "repo", value_name = "OWNER/NAME")]
    pub(crate) repositories: Vec<RepoPattern>,
    /// Only for this organisation
    #[arg(long = "org", value_name = "ORG")]
    pub(crate) organization: Option<OrgName>,
    /// Only with this permission, such as `issues=read`; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", value_parser = permission)]
    pub(crate) permissions: Vec<(PermissionName, Level)>,
    /// How long the lease lasts, such as `15m`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) ttl: Option<Duration>,
}

/// What a lease is asked for, and how.
#[derive(Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Free text for the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Get a new installation token, or read the value from its source again. For when GitHub rejects the
    /// one you got
    #[arg(long)]
    pub(crate) fresh: bool,
}

#[derive(Subcommand)]
pub(crate) enum PurposeCommand {
    /// List the purposes that a rule allows you
    List,
    /// Show one purpose
    Show {
        /// Its name
        #[arg(add = ArgValueCandidates::new(candidates::purposes))]
        purpose: Purpose,
    },
}

#[derive(Subcommand)]
pub(crate) enum LeaseCommand {
    /// List live leases: yours, or all of them for an operator
    List,
    /// Show one lease
    Show {
        /// Its id
        lease: LeaseId,
    },
    /// Renew a lease, as far as policy allows
    Renew {
        /// Its id
        lease: LeaseId,
        /// For how long from now, such as `15m`
        #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
        ttl: Option<Duration>,
    },
    /// Revoke leases now
    Revoke {
        /// Their ids
        #[arg(required_unless_present = "all", value_name = "LEASE")]
        leases: Vec<LeaseId>,
        /// Revoke all that `lease list` shows
        #[arg(long, conflicts_with = "leases")]
        all: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policy files without a broker; `policy check --help` has the options
    #[command(disable_help_flag = true)]
    Check(Passed),
    /// Run the decision tables beside policy files, without a broker
    #[command(disable_help_flag = true)]
    Test(Passed),
    /// Show which rule allows a request, or why each rule does not
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<Explain>),
    /// Reload the policies
    Reload,
    /// Write the policy file of a new purpose, and have the broker load it
    #[command(
        after_help = POLICY_NEW_EXAMPLES,
        override_usage = "tokenctl policy new [OPTIONS] --secret <NAME> --permission <NAME=LEVEL>\n           <--repo <OWNER/NAME>|--org <ORG>> <PURPOSE>"
    )]
    New(PolicyNew),
    /// Add a rule to a purpose: allow an account, a group or a unit
    #[command(
        after_help = POLICY_ALLOW_EXAMPLES,
        override_usage = "tokenctl policy allow <--user|--group|--unit> <NAME> <PURPOSE>"
    )]
    Allow(PolicyAllow),
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    /// GNU bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

#[cfg(test)]
mod tests;
