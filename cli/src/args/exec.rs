//! `exec`, and the relay that it starts.

use std::ffi::OsString;
use std::path::PathBuf;

use broker_protocol::names::{LeaseId, Purpose};
use clap::Args;

use super::Ask;
use super::values::{purpose_variable, variable};
use crate::host_port::HostPort;

#[derive(Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Set this variable to the token too; may be repeated
    #[arg(long = "env", value_name = "NAME", value_parser = variable)]
    pub(crate) env: Vec<String>,
    /// Take a lease for another purpose too, and set this variable to its
    /// token. May be repeated. --repo, --org and --permission count for
    /// the first purpose alone
    #[arg(
        long = "with",
        value_name = "PURPOSE=VARIABLE",
        value_parser = purpose_variable,
        verbatim_doc_comment
    )]
    pub(crate) with: Vec<(Purpose, String)>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// What a relay needs to know. Nothing here is secret: any account can read it.
#[derive(Args)]
pub(crate) struct Relay {
    /// The broker's socket for proxy tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy: PathBuf,
    /// A lease for the tunnels; may be repeated
    #[arg(long = "lease", required = true)]
    pub(crate) leases: Vec<LeaseId>,
    /// The file to remove at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// Lead this host to the broker; may be repeated
    #[arg(long = "host", value_name = "HOST:PORT")]
    pub(crate) hosts: Vec<HostPort>,
    /// Be the relay, and do not only start it
    #[arg(long)]
    pub(crate) detached: bool,
}
