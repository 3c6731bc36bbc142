//! The command line as types: what is parsed here needs no second look later.
//!
//! Help texts are written for someone who has not read the manual. A secret is never an argument.

mod audit;
mod examples;
mod moving;
mod rotate;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{
    LeaseId, Level, OrgName, PermissionName, Purpose, RepoPattern, SecretName,
};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

pub(crate) use self::audit::{AuditCommand, AuditSource, Wanted};
use self::examples::{
    BACKUP_EXAMPLES, CHECK_EXAMPLES, EXEC_EXAMPLES, EXIT_CODES, GET_EXAMPLES, GIT_EXAMPLES,
    IMPORT_EXAMPLES, LOCK_EXAMPLES, REKEY_EXAMPLES, SECRET_EXAMPLES,
};
use self::moving::MOVE_EXAMPLES;
pub(crate) use self::moving::SecretMove;
use self::rotate::ROTATE_EXAMPLES;
pub(crate) use self::rotate::Rotate;
pub(crate) use self::values::{Format, Kind};
use self::values::{client_id, permission, scope, source, variable};
use crate::clock;

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
    /// Look for what is wrong and say how to mend it; exit code 1 if something is
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
pub(crate) enum SecretCommand {
    /// Declare a secret in a policy file of its own, and store its value
    #[command(after_help = SECRET_EXAMPLES)]
    Add(SecretAdd),
    /// Store a new value, from the terminal or stdin
    #[command(after_help = SECRET_EXAMPLES)]
    Set {
        /// Its name
        name: SecretName,
        /// When it ends at GitHub, such as `2027-02-20`
        #[arg(long, value_name = "DATE", value_parser = clock::parse)]
        expires: Option<Timestamp>,
        /// Do not ask GitHub at once what it is worth
        #[arg(long)]
        no_check: bool,
    },
    /// List secrets, never their values; `--format md` is the registry of all tokens
    List {
        /// As what
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Ask GitHub what secrets are worth: owner, scopes, end, what they reach
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Which; all that have a value without a name
        names: Vec<SecretName>,
    },
    /// Show one, never its value
    Show {
        /// Its name
        name: SecretName,
    },
    /// Move values to another source, such as from the environment to 1Password; run it again to go on
    #[command(after_help = MOVE_EXAMPLES)]
    Move(SecretMove),
    /// Show where else values are kept at GitHub, and which version each place holds
    Sinks {
        /// Only those of this secret
        name: Option<SecretName>,
        /// Write the value in use to those that do not hold it
        #[arg(long)]
        push: bool,
    },
    /// End a leaked secret at GitHub, every value of it, with the leases on it; there is no way back
    Revoke {
        /// Its name
        name: SecretName,
        /// Yes, now
        #[arg(long, required = true)]
        now: bool,
    },
    /// Erase all values of a secret from the vault
    Remove {
        /// Its name
        name: SecretName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum RepositoryCommand {
    /// List the names for which an id is kept, since an App was first given a token for them
    List,
    /// Forget the id of a name: for a repository that was deleted and made again on purpose
    Unpin {
        /// Its name
        #[arg(value_name = "OWNER/NAME")]
        repository: RepoPattern,
    },
}

#[derive(Args)]
pub(crate) struct SecretAdd {
    /// Its name, such as `org-label-sync-token`
    pub(crate) name: SecretName,
    /// What it is
    #[arg(long, value_enum, default_value_t = Kind::Classic)]
    pub(crate) kind: Kind,
    /// The login GitHub must report for it
    #[arg(long, value_name = "LOGIN")]
    pub(crate) owner: Option<OrgName>,
    /// A scope a classic token must carry; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    pub(crate) scopes: Vec<String>,
    /// A repository a fine-grained token is meant to reach; may be repeated
    #[arg(long = "repository", value_name = "OWNER/NAME")]
    pub(crate) repositories: Vec<RepoPattern>,
    /// A permission a fine-grained token is meant to carry, such as `contents=read`; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", value_parser = permission)]
    pub(crate) permissions: Vec<(PermissionName, Level)>,
    /// The client id of an App
    #[arg(long, value_name = "ID", required_if_eq("kind", "app"), value_parser = client_id)]
    pub(crate) client_id: Option<String>,
    /// Where its value comes from: `vault`, `op://VAULT/ITEM/FIELD`, `keyring:NAME`, `file:/PATH`, `env:NAME`
    #[arg(long, default_value = "vault", value_parser = source)]
    pub(crate) source: String,
    /// How often it must be rotated, such as `90d`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) rotate_every: Option<Duration>,
    /// Warn below this many remaining requests
    #[arg(long, value_name = "N")]
    pub(crate) rate_floor: Option<u64>,
    /// When the value ends at GitHub, such as `2027-02-20`
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) expires: Option<Timestamp>,
    /// Do not ask GitHub at once what it is worth
    #[arg(long)]
    pub(crate) no_check: bool,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The file, such as `~/.github-tokens`
    pub(crate) file: PathBuf,
    /// Also propose one purpose for each token, over all repositories of this organisation
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<OrgName>,
    /// Also take variables that do not look like GitHub tokens
    #[arg(long)]
    pub(crate) all: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
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

#[derive(Args)]
pub(crate) struct Unlock {
    /// Ask for a passphrase (the recovery passphrase will do) even if the key lies elsewhere
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Args)]
pub(crate) struct Rekey {
    /// Keep it there from now on; without it, where it is
    #[arg(long, value_name = "WHERE", value_enum)]
    pub(crate) root_key: Option<RootKey>,
    /// Ask for the passphrase: once, where an earlier tokend put the root key behind it
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Ask for the recovery passphrase: once, where an earlier tokend set it; or to set a first one
    #[arg(long)]
    pub(crate) recovery: bool,
}

/// Where a root key may be kept.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RootKey {
    /// The desktop's keyring
    Keyring,
    /// A key file beside the configuration
    File,
    /// A passphrase, typed after each start
    Passphrase,
    /// A systemd credential
    Credential,
}

impl RootKey {
    /// The word for it on the socket.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::File => "file",
            Self::Passphrase => "passphrase",
            Self::Credential => "credential",
        }
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    /// The file to write, or to verify
    pub(crate) file: PathBuf,
    /// Only prove that this file holds all that it should; no broker is needed, nothing is changed
    #[arg(long, conflicts_with = "force")]
    pub(crate) verify: bool,
    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Read the backup's passphrase from this file, or from stdin with `-`
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
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
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_line_of_the_manual_is_understood() {
        for line in [
            "tokenctl init",
            "tokenctl init --root-key file",
            "tokenctl init --help",
            "tokenctl --json status",
            "tokenctl status --json --socket /s",
            "tokenctl get p --repo a/b --repo a/c --org a --permission issues=read --ttl 15m --reason x",
            "tokenctl exec p -- ls -l",
            "tokenctl exec p --env A --env B_1 --ttl 5m -- ls",
            "tokenctl git-credential get",
            "tokenctl git-credential --purpose p --host 127.0.0.1:8080 get",
            "tokenctl git-credential something-new",
            "tokenctl purpose show p",
            "tokenctl lease revoke --all",
            "tokenctl lease revoke 00000000000000000000000000000000",
            "tokenctl secret add s --kind fine-grained --repository a/b --permission contents=read",
            "tokenctl secret add s --kind app --client-id Iv23liABCDEF --source env:KEY",
            "tokenctl secret set s --expires 2027-02-20",
            "tokenctl secret set s --no-check",
            "tokenctl secret list --format md",
            "tokenctl secret check",
            "tokenctl secret check s t --json",
            "tokenctl secret remove s --yes",
            "tokenctl secret sinks",
            "tokenctl secret sinks s --push",
            "tokenctl secret revoke s --now",
            "tokenctl repository list --json",
            "tokenctl repository unpin acme/site",
            "tokenctl rotate s",
            "tokenctl rotate s --value-file - --yes",
            "tokenctl rotate s --value-file /f --revoke-after 1h --expires 2027-02-20",
            "tokenctl rotate s --dry-run",
            "tokenctl rotate s --rollback",
            "tokenctl import /f --org acme --dry-run",
            "tokenctl policy check DIR",
            "tokenctl policy explain p --user alice",
            "tokenctl policy reload",
            "tokenctl audit verify",
            "tokenctl audit verify a b",
            "tokenctl audit tail -n 5 -f",
            "tokenctl audit search --kind lease --since 2026-11-21 --dir /d",
            "tokenctl audit export --from 1 --to 2",
            "tokenctl unlock --passphrase",
            "tokenctl rekey",
            "tokenctl rekey --root-key credential --json",
            "tokenctl rekey --root-key passphrase --recovery",
            "tokenctl rekey --passphrase",
            "tokenctl completions fish",
            "tokenctl backup /f",
            "tokenctl backup /f --force --passphrase-file -",
            "tokenctl backup --verify /f --json",
            "tokenctl restore /f --root-key file",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "tokenctl",
            "tokenctl frobnicate",
            "tokenctl backup",
            "tokenctl backup /f --verify --force",
            "tokenctl get",
            "tokenctl get Bad_Purpose",
            "tokenctl get p --repo nonsense",
            "tokenctl get p --permission issues",
            "tokenctl get p --permission issues=maybe",
            "tokenctl get p --ttl soon",
            "tokenctl exec p ls",
            "tokenctl exec p --env 1A -- ls",
            "tokenctl exec p --env A=B -- ls",
            "tokenctl secret add s --kind app",
            "tokenctl secret add s --source file:x",
            "tokenctl secret add s --source op:x",
            "tokenctl secret add s --source keyring:",
            "tokenctl secret add s --source env:A-B",
            "tokenctl secret set s ghp_value",
            "tokenctl secret revoke s",
            "tokenctl repository unpin site",
            "tokenctl rotate",
            "tokenctl rotate s ghp_value",
            "tokenctl rotate s --rollback --yes",
            "tokenctl rotate s --dry-run --yes",
            "tokenctl lease revoke",
            "tokenctl lease revoke --all 00000000000000000000000000000000",
            "tokenctl audit search --since yesterday",
            "tokenctl rekey --root-key hsm",
            "tokenctl rekey correct-horse",
        ] {
            match parse(line) {
                Err(error) => assert_eq!(error.exit_code(), 2, "{line}"),
                Ok(_) => panic!("{line} was taken"),
            }
        }
    }

    #[test]
    fn arguments_for_the_daemon_are_passed_as_they_are() {
        let Command::Init(passed) = parse("tokenctl init --root-key file --json x")
            .unwrap()
            .command
        else {
            panic!("not init");
        };
        assert_eq!(passed.args, ["--root-key", "file", "--json", "x"]);
    }
}
