//! git's credential helper.

use broker_protocol::names::Purpose;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::candidates;
use crate::git_host::NamedHost;

#[derive(Args)]
pub(crate) struct GitCredential {
    /// The purpose to request; default: the only one that gives you `contents` [env: TOKEND_PURPOSE]
    #[arg(long, add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Option<Purpose>,
    /// Answer for this host too, besides github.com; may be repeated [env: TOKEND_GIT_HOSTS,
    /// separated by commas]
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    pub(crate) hosts: Vec<NamedHost>,
    /// Stop git where no purpose covers the repository, instead of leaving it to git's next helper
    #[arg(long)]
    pub(crate) strict: bool,
    /// `get`, `store` or `erase`; git says which
    pub(crate) operation: String,
}
