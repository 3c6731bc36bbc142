//! `tokenctl policy explain`: what would be asked, and by whom.

use std::path::PathBuf;

use broker_protocol::names::Purpose;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::Access;
use crate::candidates;

#[derive(Args)]
pub(crate) struct Explain {
    /// The purpose
    #[arg(add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Purpose,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) access: Access,
    /// A request to GitHub that the lease would have to be enough for, such as "GET /repos/acme/site/labels"
    #[arg(long, value_name = "METHOD /PATH")]
    pub(crate) request: Option<String>,
    /// Explain the files in this directory, which need not be in force
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// A caller: this one, a running process, or one made up from attributes.
#[derive(Args)]
pub(crate) struct Who {
    /// Who would ask: a running process, as the broker sees it
    #[arg(long, conflicts_with_all = ["user", "uid", "group", "unit", "user_unit", "exe"])]
    pub(crate) pid: Option<i32>,
    /// Who would ask: an account, by name, with its groups; default: this one
    #[arg(long, value_name = "NAME", conflicts_with = "uid")]
    pub(crate) user: Option<String>,
    /// The same, by number
    #[arg(long)]
    pub(crate) uid: Option<u32>,
    /// A group that they are in besides; may be repeated
    #[arg(long)]
    pub(crate) group: Vec<String>,
    /// The system unit that they run in
    #[arg(long)]
    pub(crate) unit: Option<String>,
    /// The unit of the account's own manager that they run in
    #[arg(long)]
    pub(crate) user_unit: Option<String>,
    /// The program that asks, by its canonical path
    #[arg(long, value_name = "PATH")]
    pub(crate) exe: Option<String>,
}
