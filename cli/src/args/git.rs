//! git: its credential helper, and how it is set up.

use broker_protocol::names::{OrgName, Purpose};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::candidates;
use crate::git_host::NamedHost;

#[derive(Args)]
pub(crate) struct GitCredential {
    /// The purpose to request; default: the only one that gives you `contents` of the repository
    /// [env: TOKEND_PURPOSE]
    #[arg(long, add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Option<Purpose>,
    /// Answer for this host too, besides github.com; may be repeated [env: TOKEND_GIT_HOSTS,
    /// separated by commas]
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    pub(crate) hosts: Vec<NamedHost>,
    /// Stop git also where there is no token for it, instead of leaving it to git's next helper
    #[arg(long)]
    pub(crate) strict: bool,
    /// `get`, `store` or `erase`; git says which
    pub(crate) operation: String,
}

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct SetupGit {
    /// Write the configuration of the repository in this directory, not that of your account
    #[arg(long)]
    pub(crate) local: bool,
    /// Only for this purpose, which git then always asks for
    #[arg(long, add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Option<Purpose>,
    /// Have git ask no other helper for these owners
    #[arg(long)]
    pub(crate) only: bool,
    /// An owner as your URLs spell it, where that is not in lower case: git does not take `Acme` for
    /// `acme`; may be repeated
    #[arg(long = "owner", value_name = "OWNER", value_parser = spelled)]
    pub(crate) owners: Vec<String>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Remove what was written, and nothing else
    #[arg(long, conflicts_with_all = ["purpose", "only", "owners"])]
    pub(crate) remove: bool,
}

/// An owner, in the spelling given.
fn spelled(text: &str) -> Result<String, String> {
    let name = text.parse::<OrgName>();
    name.map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}
