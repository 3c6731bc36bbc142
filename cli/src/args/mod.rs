//! The command line as types: what is parsed here needs no second look later.
//!
//! Help texts are written for someone who has not read the manual. A secret is never an argument.

mod audit;
mod examples;
mod moving;
mod rotate;
mod secret;
mod values;
mod vault;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{LeaseId, Level, OrgName, PermissionName, Purpose, RepoPattern};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

pub(crate) use self::audit::{AuditCommand, AuditSource, Wanted};
use self::examples::{
    BACKUP_EXAMPLES, EXEC_EXAMPLES, EXIT_CODES, GET_EXAMPLES, GIT_EXAMPLES, IMPORT_EXAMPLES,
    LOCK_EXAMPLES, REKEY_EXAMPLES,
};
pub(crate) use self::moving::SecretMove;
use self::rotate::ROTATE_EXAMPLES;
pub(crate) use self::rotate::Rotate;
pub(crate) use self::secret::{Import, RepositoryCommand, SecretAdd, SecretCommand};
pub(crate) use self::values::{Format, Kind, scope};
use self::values::{permission, variable};
pub(crate) use self::vault::{Backup, Rekey, Unlock};

/// Takes GitHub tokens from the local broker `tokend`, and looks after it.
#[derive(Parser)]
#[command(
    name = "tokenctl",
    version,
    color = ColorChoice::Never,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Global {
    /// The broker's configuration file [env: TOKEND_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The broker's socket [env: TOKEND_SOCKET]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make configuration, example policies, keys and an empty vault; `init --help` has the options
    #[command(disable_help_flag = true)]
    Init(Passed),
    /// Show how the broker, its secrets and your leases stand
    Status,
    /// Look for what is wrong and say how to fix it; exit code 1 if something is
    Doctor,
    /// Take a token for one purpose and print it, alone, on stdout
    #[command(after_help = GET_EXAMPLES)]
    Get(Ask),
    /// Run a command with a token in GH_TOKEN and GITHUB_TOKEN; the lease ends with the command
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(Exec),
    /// Answer git, as its credential helper
    #[command(after_help = GIT_EXAMPLES)]
    GitCredential(GitCredential),
    /// Show what you may ask for
    #[command(subcommand)]
    Purpose(PurposeCommand),
    /// Show and end leases
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Keep the secrets behind the tokens
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Show which repository a name means to Apps, and forget it
    #[command(subcommand)]
    Repository(RepositoryCommand),
    /// Replace a secret's value everywhere, and end the old one; run it again to go on
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(Rotate),
    /// Take over the tokens in a file of `export NAME="…"` lines
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Check, test, explain and load policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify and read the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Forget the root key: no lease until `unlock`
    #[command(after_help = LOCK_EXAMPLES)]
    Lock {
        /// End every live lease too, and every installation token at GitHub
        #[arg(long)]
        revoke: bool,
    },
    /// Load the root key again
    Unlock(Unlock),
    /// Make a new root key and put every data key under it; leases go on meanwhile
    #[command(after_help = REKEY_EXAMPLES)]
    Rekey(Rekey),
    /// Write all that the broker holds into one file, sealed under a passphrase
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(Backup),
    /// Put a backup in place on a machine without a vault; `restore --help` has the options
    #[command(disable_help_flag = true)]
    Restore(Passed),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory, which must exist
        dir: PathBuf,
    },
}

/// Arguments for `tokend`, as they are.
#[derive(Args)]
pub(crate) struct Passed {
    /// Passed on to `tokend`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARG"
    )]
    pub(crate) args: Vec<OsString>,
}

/// What to ask a token for. Whatever is left out, the rule decides.
#[derive(Args)]
pub(crate) struct Ask {
    /// Why you want it: one of `tokenctl purpose list`
    pub(crate) purpose: Purpose,
    /// Only for this repository; may be repeated
    #[arg(long = "repo", value_name = "OWNER/NAME")]
    pub(crate) repositories: Vec<RepoPattern>,
    /// Only for this organisation
    #[arg(long = "org", value_name = "ORG")]
    pub(crate) organization: Option<OrgName>,
    /// Only with this permission, such as `issues=read`; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", value_parser = permission)]
    pub(crate) permissions: Vec<(PermissionName, Level)>,
    /// For how long, such as `15m`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) ttl: Option<Duration>,
    /// Your own words for the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Not what is shared or kept: a new installation token, or the value asked for anew where it lies; for
    /// when GitHub refuses the one you got
    #[arg(long)]
    pub(crate) fresh: bool,
}

#[derive(Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Set this variable to the token too; may be repeated
    #[arg(long = "env", value_name = "NAME", value_parser = variable)]
    pub(crate) env: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct GitCredential {
    /// The purpose to ask for; without it, the only one that gives you `contents` [env:
    /// TOKEND_PURPOSE]
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// Answer for this host too, besides github.com; may be repeated [env: TOKEND_GIT_HOSTS,
    /// separated by commas]
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    pub(crate) hosts: Vec<String>,
    /// `get`, `store` or `erase`; git says which
    pub(crate) operation: String,
}

#[derive(Subcommand)]
pub(crate) enum PurposeCommand {
    /// List the purposes some rule gives you
    List,
    /// Show one of them
    Show {
        /// Its name
        purpose: Purpose,
    },
}

#[derive(Subcommand)]
pub(crate) enum LeaseCommand {
    /// List live leases: yours, or everybody's for an operator
    List,
    /// Show one
    Show {
        /// Its id
        lease: LeaseId,
    },
    /// Prolong one, as far as the policy allows
    Renew {
        /// Its id
        lease: LeaseId,
        /// For how long from now, such as `15m`
        #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
        ttl: Option<Duration>,
    },
    /// End leases now
    Revoke {
        /// Their ids
        #[arg(required_unless_present = "all", value_name = "LEASE")]
        leases: Vec<LeaseId>,
        /// All that `lease list` shows
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
    /// Say which rule speaks for a caller, or what each one missed
    #[command(disable_help_flag = true)]
    Explain(Passed),
    /// Let the broker load its policies again
    Reload,
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
