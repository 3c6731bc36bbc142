//! `tokenctl secret`, `repository` and `import`.

use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Level, OrgName, PermissionName, RepoPattern, SecretName};
use broker_protocol::source::{all_forms, help_lines};
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use jiff::Timestamp;

use super::examples::{CHECK_EXAMPLES, MOVE_EXAMPLES, SECRET_EXAMPLES};
use super::values::{Format, Kind, account, client_id, permission, scope, source};
use crate::candidates;
use crate::clock;

#[derive(Subcommand)]
pub(crate) enum SecretCommand {
    /// Declare a secret in a policy file of its own, and store its value
    #[command(after_help = SECRET_EXAMPLES)]
    Add(SecretAdd),
    /// Store a new value from the terminal or stdin, or with `--undo` the previous one
    #[command(after_help = SECRET_EXAMPLES)]
    Set {
        /// Its name
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        name: SecretName,
        /// Store the previous value again, as a new version, while the vault has it
        #[arg(long, conflicts_with = "expires")]
        undo: bool,
        /// When it expires at GitHub, such as `2027-02-20`
        #[arg(long, value_name = "DATE", value_parser = clock::parse)]
        expires: Option<Timestamp>,
        /// Do not check the value at GitHub
        #[arg(long)]
        no_check: bool,
    },
    /// List secrets, never their values; `--format md` is the registry of all tokens
    List {
        /// Output format; default: table
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Check secrets at GitHub: owner, scopes, expiry, what they reach
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The secrets to check; default: all that have a value
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        names: Vec<SecretName>,
    },
    /// Show a secret, never its value
    Show {
        /// Its name
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        name: SecretName,
    },
    /// Move values to another source, such as from the environment to 1Password; run again to resume
    #[command(after_help = format!("{MOVE_EXAMPLES}\n\nSources:\n{}", help_lines()))]
    Move(SecretMove),
    /// Show the sinks: where else at GitHub values are stored, and which version each has
    Sinks {
        /// Only the sinks of this secret
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        name: Option<SecretName>,
        /// Write the value in use to the sinks that do not have it
        #[arg(long)]
        push: bool,
    },
    /// Revoke a leaked secret at GitHub, all its values and the leases on it; cannot be undone
    Revoke {
        /// Its name
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        name: SecretName,
        /// Confirm: revoke it now
        #[arg(long, required = true)]
        now: bool,
    },
    /// Erase all values of a secret from the vault
    Remove {
        /// Its name
        #[arg(add = ArgValueCandidates::new(candidates::secrets))]
        name: SecretName,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum RepositoryCommand {
    /// List pinned names and ids; a name is pinned when an App first gets a token for the repository
    List,
    /// Unpin a name, for a repository that was deleted and created again on purpose
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
    /// The kind; default: by how the value begins, else classic
    #[arg(long, value_enum)]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) declared: Declaration,
    /// When the value expires at GitHub, such as `2027-02-20`
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) expires: Option<Timestamp>,
    /// Do not check the value at GitHub
    #[arg(long)]
    pub(crate) no_check: bool,
}

/// What a policy file says of a secret, besides name and kind.
#[derive(Args, Default)]
pub(crate) struct Declaration {
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
    #[arg(long, default_value = "vault", value_parser = source)]
    #[arg(help = format!("Where its value comes from: {}", all_forms()))]
    pub(crate) source: String,
    /// How often it must be rotated, such as `90d`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) rotate_every: Option<Duration>,
    /// Warn below this many remaining requests
    #[arg(long, value_name = "N")]
    pub(crate) rate_floor: Option<u64>,
}

#[derive(Args, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct SecretMove {
    /// The secrets, moved one after the other
    #[arg(required = true, value_name = "NAME", add = ArgValueCandidates::new(candidates::secrets))]
    pub(crate) names: Vec<SecretName>,
    /// The new source, in one of the forms below; `{name}` stands for the secret's name
    #[arg(long, value_name = "PLACE", required_unless_present_any = ["finish", "back"])]
    pub(crate) to: Option<String>,
    /// Read both sources, show what would be done, and change nothing
    #[arg(long, requires = "to", conflicts_with_all = ["print", "replace"])]
    pub(crate) dry_run: bool,
    /// Overwrite a different value in the new source; or, once policies name that source, accept it
    #[arg(long, requires = "to")]
    pub(crate) replace: bool,
    /// Print the policy edit instead of making it, and wait until it is in force
    #[arg(long)]
    pub(crate) print: bool,
    /// Erase the old copy; after that there is no way back
    #[arg(long, conflicts_with_all = ["to", "back", "print"])]
    pub(crate) finish: bool,
    /// Go back to the old source; possible until --finish
    #[arg(long, conflicts_with = "to")]
    pub(crate) back: bool,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The file, such as `~/.github-tokens`
    pub(crate) file: PathBuf,
    /// Also propose one purpose for each token, over all repositories of this organisation
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<OrgName>,
    /// Allow this account each proposed purpose; may be repeated. Without it a proposed purpose allows no one
    #[arg(long, value_name = "NAME", requires = "org", value_parser = account)]
    pub(crate) allow: Vec<String>,
    /// Also take variables that do not look like GitHub tokens
    #[arg(long)]
    pub(crate) all: bool,
    /// Show what would be done and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
